"""A command on the phone: adb's shell protocol (version 2), which keeps apart what it prints and
what it complains, takes its input, and ends with its exit status.

Every packet is a byte that says what it is, its length in four bytes (little endian), and so many
bytes.
"""

from __future__ import annotations

import select
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass

from adbutils import AdbConnection

from lpnet_agent.errors import Interrupted
from lpnet_agent.stop import Stop

_HEADER = struct.Struct("<BI")
_STDIN, _STDOUT, _STDERR, _EXIT, _CLOSE_STDIN = range(5)
# Of a packet; adb servers of all ages carry that much at once.
_PIECE = 1 << 15
# What a command may still take once the agent is asked to end.
_GRACE_S = 4.0
_BEAT_S = 1.0


@dataclass(frozen=True)
class CommandResult:
    """What a command printed on its two outputs, and its exit status."""

    out: str
    err: str
    code: int

    @property
    def complaint(self) -> str:
        """The last line that says what went wrong."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1] if lines else f"exit status {self.code}, and not a word"


class Broken(Exception):
    """The connection ended before the command did."""


class Silent(Exception):
    """The command was not over in time."""


def run(
    connection: AdbConnection,
    command: str,
    stdin: bytes,
    timeout_s: float,
    stop: Stop | None,
    meanwhile: Callable[[], None] | None = None,
) -> CommandResult:
    """Run a command line by the phone's shell, with that on its standard input. `meanwhile` is
    called every second that it takes.

    Raises Broken, Silent, Interrupted if the agent is to end and the command takes too long for
    that, and what adbutils raises.
    """
    connection.send_command(f"shell,v2,raw:{command}")
    connection.check_okay()
    talk = _Conversation(connection.conn, stdin, stop, meanwhile)
    return talk.until_the_end(time.monotonic() + timeout_s)


class _Conversation:
    """Sends what is to be sent and takes what comes, whichever is possible: a command that fails
    stops reading, and one that prints a lot stops until that is taken."""

    def __init__(
        self,
        line: socket.socket,
        stdin: bytes,
        stop: Stop | None,
        meanwhile: Callable[[], None] | None,
    ) -> None:
        self._meanwhile = meanwhile
        line.setblocking(False)
        self._line = line
        self._stop = stop
        self._to_send = memoryview(_packets(stdin))
        self._come = b""
        self._outputs = {_STDOUT: bytearray(), _STDERR: bytearray()}

    def until_the_end(self, end: float) -> CommandResult:
        hurried, beat_at = False, time.monotonic() + _BEAT_S
        while True:
            if self._meanwhile is not None and time.monotonic() >= beat_at:
                self._meanwhile()
                beat_at = time.monotonic() + _BEAT_S
            if self._stop is not None and self._stop.is_set() and not hurried:
                hurried, end = True, min(end, time.monotonic() + _GRACE_S)
            watched: list[socket.socket | Stop] = [self._line]
            if self._stop is not None and not hurried:
                watched.append(self._stop)
            writing = [self._line] if self._to_send else []
            left = max(0.0, end - time.monotonic())
            readable, writable, _ = select.select(watched, writing, [], min(left, _BEAT_S))
            if not readable and not writable and time.monotonic() < end:
                continue
            if not readable and not writable:
                raise Interrupted("the agent was asked to end") if hurried else Silent
            if writable:
                self._send()
            if self._line in readable:
                code = self._take()
                if code is not None:
                    out, err = (
                        bytes(output).decode(errors="replace") for output in self._outputs.values()
                    )
                    return CommandResult(out, err, code)

    def _send(self) -> None:
        try:
            self._to_send = self._to_send[self._line.send(self._to_send) :]
        except BlockingIOError:
            return
        except OSError:
            # It reads no more; why, it may still say.
            self._to_send = self._to_send[:0]

    def _take(self) -> int | None:
        """The exit status once it has come."""
        try:
            piece = self._line.recv(1 << 16)
        except BlockingIOError:
            return None
        except OSError as error:
            raise Broken(error.strerror or str(error)) from error
        if not piece:
            raise Broken("the connection was closed")
        self._come += piece
        while len(self._come) >= _HEADER.size:
            kind, length = _HEADER.unpack_from(self._come)
            end = _HEADER.size + length
            if len(self._come) < end:
                break
            payload, self._come = self._come[_HEADER.size : end], self._come[end:]
            if kind == _EXIT and payload:
                return payload[0]
            if kind in self._outputs:
                self._outputs[kind] += payload
        return None


def _packets(stdin: bytes) -> bytes:
    """All of an input, and its end."""
    pieces = [stdin[start : start + _PIECE] for start in range(0, len(stdin), _PIECE)]
    packets = [_HEADER.pack(_STDIN, len(piece)) + piece for piece in pieces]
    return b"".join([*packets, _HEADER.pack(_CLOSE_STDIN, 0)])
