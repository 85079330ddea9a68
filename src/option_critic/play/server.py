"""The web server of the page: viser's, at a socket of ours, for one page of this machine's at a time."""

from __future__ import annotations

import contextlib
import io
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from unittest import mock

import viser
import websockets.asyncio.server
from viser import _messages as messages

LARGEST_MESSAGE = 1 << 16
"""Bytes of what a page may say at once."""
HEARD: tuple[type[Any], ...] = (
    messages.GuiUpdateMessage,
    messages.CommandTriggerMessage,
    messages.TransformControlsUpdateMessage,
    messages.TransformControlsDragStartMessage,
    messages.TransformControlsDragEndMessage,
)
"""What the page that plays may say."""
WATCHED: tuple[type[Any], ...] = (messages.ViewerCameraMessage,)
"""What any page may say: where it looks from."""
POLICY = (
    "default-src 'self' data: blob:; script-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; "
    "style-src 'self' 'unsafe-inline'; connect-src 'self' ws://{host} data: blob:; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""viser's client is one file with all that it needs; the page can ask nobody else for anything."""
BUSY = "Another page plays already: this one only watches. Close the other, and load this one again."


class PageServer:
    """viser's server, which hears the first page that came and refuses what a page has no business to say."""

    def __init__(self, at: socket.socket, host: str) -> None:
        """`at`: a socket that listens; `host`: as the user named it."""
        self.player: int | None = None
        """the page that plays"""
        with quiet(), listening_at(at, host):
            self.viser = viser.ViserServer(host=host, port=at.getsockname()[1], verbose=False)
        own: Any = self.viser._websock_server
        own._handle_incoming_message = self._only(own._handle_incoming_message)
        own.on_client_connect(self._met)
        self.viser.on_client_connect(self._greet)
        self.viser.on_client_disconnect(self._gone)
        self.viser.gui.configure_theme(show_logo=False, show_share_button=False, control_width="large")

    def stop(self) -> None:
        """End it; pages say that they lost it."""
        with quiet():
            self.viser.stop()

    def _only(self, handle: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def hear(client: int, message: Any) -> None:
            if permitted(message, client == self.player):
                with contextlib.suppress(Exception):  # of a form that viser does not expect: as if it was not said
                    await handle(client, message)

        return hear

    async def _met(self, connection: Any) -> None:
        if self.player is None:
            self.player = connection.client_id
        connection._handle_incoming_message = self._only(connection._handle_incoming_message)

    async def _greet(self, client: viser.ClientHandle) -> None:
        if client.client_id != self.player:
            client.add_notification("This page only watches", BUSY, auto_close_seconds=None, color="red")

    async def _gone(self, client: viser.ClientHandle) -> None:
        if client.client_id == self.player:
            self.player = None


def permitted(message: Any, plays: bool) -> bool:
    """Whether a page may say this; what it sets of a control is its value, and nothing else of it."""
    if isinstance(message, WATCHED):
        return True
    if not plays or not isinstance(message, HEARD):
        return False
    return not isinstance(message, messages.GuiUpdateMessage) or set(message.updates) == {"value"}


def welcome(headers: Any, host: str) -> bool:
    """Whether a request comes from a page of this server: it names the server by its number, as localhost or as `host`,
    so no foreign name leads here, and no other page sent it."""
    named = headers.get("Host", "")
    name = named.rpartition(":")[0] if not named.endswith("]") and ":" in named else named
    origin = headers.get("Origin")
    return (name in ("localhost", host) or is_address(name)) and origin in (None, f"http://{named}")


def is_address(name: str) -> bool:
    """Whether it is a number of a machine, and no name."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """viser greets on standard output."""
    with contextlib.redirect_stdout(io.StringIO()):
        yield


@contextlib.contextmanager
def listening_at(at: socket.socket, host: str) -> Iterator[None]:
    """Let viser serve at a socket that listens already, with our own rules: it has no arguments for that."""
    theirs = websockets.asyncio.server.serve
    log = logging.Logger("page")
    log.addHandler(logging.NullHandler())

    def serve(handler: Any, _: str, port: int, *, process_request: Any, **more: Any) -> Any:
        def answer(connection: Any, request: Any) -> Any:
            if not welcome(request.headers, host):
                return connection.respond(403, "this page is for this machine alone\n")
            response = process_request(connection, request)
            if response is not None:
                response.headers["Content-Security-Policy"] = POLICY.format(host=request.headers.get("Host", ""))
                response.headers["X-Content-Type-Options"] = "nosniff"
            return response

        kept = more | {"max_size": LARGEST_MESSAGE, "logger": log}
        return theirs(handler, sock=at, process_request=answer, **kept)

    with mock.patch.object(websockets.asyncio.server, "serve", serve):
        yield
