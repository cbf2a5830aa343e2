"""The sockets that all API processes accept from."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from lpnet_service.errors import SetupError


@contextmanager
def bound(host: str, port: int) -> Iterator[list[socket.socket]]:
    """Sockets bound to the addresses of `host`, to be handed down to the processes that listen.

    They share one queue of connections, so that none is lost as a process is replaced. Raises
    SetupError where the port is taken or no address is of this machine.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise SetupError(f"--host {host}: {error.strerror}") from error
    with ExitStack() as held:
        sockets: list[socket.socket] = []
        reason = "has no address"
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                sockets.append(held.enter_context(_bind(family, address)))
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise SetupError(f"--port {port}: another process listens there") from error
                # `localhost` has an IPv6 address on machines that have no IPv6.
                reason = str(error.strerror)
        if not sockets:
            raise SetupError(f"--host {host}: {reason}")
        yield sockets


def _bind(family: socket.AddressFamily, address: Any) -> socket.socket:
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind(address)
    except OSError:
        made.close()
        raise
    return made
