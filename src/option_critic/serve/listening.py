"""Where a server listens."""

from __future__ import annotations

import socket

from option_critic.errors import InputError


def listening(host: str, port: int, flag: str = "--http") -> socket.socket:
    """A socket that takes connections; `flag`: what says the port. Raises InputError where there can be none."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"nothing can listen on {host}, port {port} ({reason}); choose another {flag} PORT") from error
