"""A command on the phone, by adb's shell protocol version 2.

The protocol keeps standard output and error apart, accepts standard input, and ends with the exit
status. A packet is a byte for its kind, its length in four bytes (little endian), and its payload.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from adbutils import AdbConnection

from lpnet.stop import Stop
from lpnet_agent.errors import Interrupted

_HEADER = struct.Struct("<BI")
_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = range(5)
# Maximum payload that adb servers of all ages accept.
_CHUNK = 1 << 15
# Time that a command may still take when the agent is stopping.
_GRACE_S = 4.0
_HEARTBEAT_S = 1.0


@dataclass(frozen=True)
class CommandResult:
    """What a command printed on its two outputs, and its exit status."""

    out: str
    err: str
    code: int

    @property
    def error_line(self) -> str:
        """The last line of its error output, or of its output."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1] if lines else f"exit status {self.code}, no output"


class ConnectionLost(Exception):
    """The connection ended before the command did."""


class CommandTimeout(Exception):
    """The command did not end in time."""


def run(
    connection: AdbConnection,
    command: str,
    stdin: bytes,
    timeout_s: float,
    stop: Stop | None,
    heartbeat: Callable[[], None] | None = None,
) -> CommandResult:
    """Run a command line in the phone's shell with `stdin` as its standard input.

    `heartbeat` is called every second until the command ends. Raises ConnectionLost,
    CommandTimeout, Interrupted if the agent is stopping and the command takes too long, and the
    errors of adbutils.
    """
    connection.send_command(f"shell,v2,raw:{command}")
    connection.check_okay()
    stream = _ShellStream(connection.conn, stdin, stop, heartbeat)
    return stream.run_until(time.monotonic() + timeout_s)


class _ShellStream:
    """Sends and receives whatever is possible: a command that fails stops reading, and one that
    prints a lot blocks until its output is received."""

    def __init__(
        self,
        connection: socket.socket,
        stdin: bytes,
        stop: Stop | None,
        heartbeat: Callable[[], None] | None,
    ) -> None:
        self._heartbeat = heartbeat
        connection.setblocking(False)
        self._connection = connection
        self._stop = stop
        self._to_send = memoryview(_stdin_packets(stdin))
        self._received = b""
        self._outputs = {_STDOUT: bytearray(), _STDERR: bytearray()}

    def run_until(self, end: float) -> CommandResult:
        stopping, heartbeat_at = False, time.monotonic() + _HEARTBEAT_S
        while True:
            if self._heartbeat is not None and time.monotonic() >= heartbeat_at:
                self._heartbeat()
                heartbeat_at = time.monotonic() + _HEARTBEAT_S
            if self._stop is not None and self._stop.is_set() and not stopping:
                stopping, end = True, min(end, time.monotonic() + _GRACE_S)
            watched: list[socket.socket | Stop] = [self._connection]
            if self._stop is not None and not stopping:
                watched.append(self._stop)
            writing = [self._connection] if self._to_send else []
            remaining_s = max(0.0, end - time.monotonic())
            readable, writable, _ = select.select(
                watched, writing, [], min(remaining_s, _HEARTBEAT_S)
            )
            if not readable and not writable and time.monotonic() < end:
                continue
            if not readable and not writable:
                raise Interrupted("the agent is stopping") if stopping else CommandTimeout
            if writable:
                self._send()
            if self._connection in readable:
                code = self._receive()
                if code is not None:
                    return self._result(code)

    def _result(self, code: int) -> CommandResult:
        out, err = (bytes(output).decode(errors="replace") for output in self._outputs.values())
        return CommandResult(out, err, code)

    def _send(self) -> None:
        try:
            self._to_send = self._to_send[self._connection.send(self._to_send) :]
        except BlockingIOError:
            return
        except OSError:
            # It has stopped reading, and may still print why.
            self._to_send = self._to_send[:0]

    def _receive(self) -> int | None:
        try:
            chunk = self._connection.recv(1 << 16)
        except BlockingIOError:
            return None
        except OSError as error:
            raise ConnectionLost(error.strerror or str(error)) from error
        if not chunk:
            raise ConnectionLost("the connection was closed")
        self._received += chunk
        while len(self._received) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._received)
            end = _HEADER.size + length
            if len(self._received) < end:
                break
            payload, self._received = self._received[_HEADER.size : end], self._received[end:]
            if kind == _EXIT and payload:
                return payload[0]
            if kind in self._outputs:
                self._outputs[kind] += payload
        return None


def _stdin_packets(stdin: bytes) -> bytes:
    chunks = [stdin[start : start + _CHUNK] for start in range(0, len(stdin), _CHUNK)]
    packets = [_HEADER.pack(_STDIN, len(chunk)) + chunk for chunk in chunks]
    return b"".join([*packets, _HEADER.pack(_CLOSE_STDIN, 0)])
