"""How a server is reached: standard input and output of this process, or HTTP."""

from __future__ import annotations

import socket

import anyio
import uvicorn

from option_critic.serve.server import OptionServer

SESSION_SECONDS = 60.0
"""A client that asks nothing for so long makes room for another; the environment stays as it is."""
AWAKE_SECONDS = 0.2
GRACE_SECONDS = 2
"""For answers under way when it ends."""


def over_stdio(server: OptionServer) -> None:
    """Until the client is gone, or standard input ends."""

    async def serve() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(awake)
            await server.run_stdio_async()
            tasks.cancel_scope.cancel()

    try:
        anyio.run(serve)
    except* OSError:  # nobody reads the answers any more
        pass


async def awake() -> None:
    """A signal may come in while another thread runs: Python looks after it when this one wakes up."""
    while True:
        await anyio.sleep(AWAKE_SECONDS)


def over_http(server: OptionServer, at: socket.socket, host: str) -> None:
    """Streamable HTTP at /mcp, until a signal ends it. One session at a time."""
    app = server.streamable_http_app(host=host, max_sessions=1, session_idle_timeout=SESSION_SECONDS)
    config = uvicorn.Config(app, log_config=None, log_level="error", timeout_graceful_shutdown=GRACE_SECONDS)
    anyio.run(uvicorn.Server(config).serve, [at])
