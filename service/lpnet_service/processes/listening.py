"""The sockets on which all API processes accept connections."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from lpnet_service.errors import SetupError


@contextmanager
def bound_sockets(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets bound to the addresses of `host`, for API processes to inherit.

    They share one queue of connections, so none is lost when a process is replaced. Raises
    SetupError if the port is in use or this machine has no such address.
    """
    try:
        addresses = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise SetupError(f"--host {host}: {error.strerror}") from error
    with ExitStack() as stack:
        sockets: list[socket.socket] = []
        reason = "has no address"
        for family, _, _, _, address in dict.fromkeys(addresses):
            try:
                sockets.append(stack.enter_context(_bind(family, address)))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise SetupError(f"--port {port}: another process listens on it") from error
                # `localhost` has an IPv6 address on machines that have no IPv6.
                reason = str(error.strerror)
        if not sockets:
            raise SetupError(f"--host {host}: {reason}")
        yield sockets


def _bind(family: socket.AddressFamily, address: Any) -> socket.socket:
    bound = socket.socket(family, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(address)
    except OSError:
        bound.close()
        raise
    return bound
