"""The network between an agent and its service: a TCP proxy that fails as networks do."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
from typing import Literal

Way = Literal["open", "refused", "silent"]
_PIECE = 1 << 16


class Wire:
    """Listens on `port` and passes everything on to `to`.

    `way` is "open"; "refused", where nobody listens; or "silent", where connections stand and
    nothing ever comes back. With `cut_answer_to` set, the next request whose head holds that text
    reaches the service, and the connection is reset as its answer comes.
    """

    def __init__(self, to: int) -> None:
        self._to = to
        self._way: Way = "open"
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self.cut_answer_to: bytes | None = None
        self.cut = threading.Event()
        self._listener = _listen(0)
        self.port: int = self._listener.getsockname()[1]
        self._serve(self._listener)

    def set(self, way: Way) -> None:
        """Change the way; connections that stand are reset, or go silent."""
        before, self._way = self._way, way
        if way == "refused":
            _shut(self._listener)
        elif before == "refused":
            self._listener = _listen(self.port)
            self._serve(self._listener)
        if way == "refused" or before == "silent":
            self._reset_all()

    def close(self) -> None:
        _shut(self._listener)
        self._reset_all()

    def _serve(self, listener: socket.socket) -> None:
        threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = listener.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        try:
            far = self._reach()
        except OSError:
            _reset(near)
            return
        with self._lock:
            self._open |= {near, far}
        try:
            self._pass_on(near, far)
        except (OSError, ValueError):
            pass  # one end is gone, or was reset by the test
        finally:
            with self._lock:
                self._open -= {near, far}
            _reset(near)
            far.close()

    def _reach(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self._to), timeout=5)

    def _pass_on(self, near: socket.socket, far: socket.socket) -> None:
        doomed = False
        with selectors.DefaultSelector() as ready:
            ready.register(near, selectors.EVENT_READ, far)
            ready.register(far, selectors.EVENT_READ, near)
            while True:
                for key, _ in ready.select():
                    assert isinstance(key.fileobj, socket.socket)
                    piece = key.fileobj.recv(_PIECE)
                    if not piece:
                        return
                    if key.fileobj is near and self.cut_answer_to and self.cut_answer_to in piece:
                        doomed, self.cut_answer_to = True, None
                    if key.fileobj is far and doomed:
                        self.cut.set()
                        return
                    if self._way != "silent":
                        key.data.sendall(piece)

    def _reset_all(self) -> None:
        with self._lock:
            standing = list(self._open)
        for connection in standing:
            # The thread that carries it wakes up, and resets it.
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen()
    return listener


def _shut(listener: socket.socket) -> None:
    # Closing alone would not wake the thread that accepts, and the port would go on listening.
    with contextlib.suppress(OSError):
        listener.shutdown(socket.SHUT_RDWR)
    listener.close()


def _reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN, as when a machine on the way has forgotten the connection."""
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()
