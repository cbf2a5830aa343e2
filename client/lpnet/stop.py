"""A request to end the process, made by a signal."""

from __future__ import annotations

import os
import select
import signal
from types import FrameType


class Stop:
    """A request to end, made by a signal or by `set`. It is never withdrawn.

    It is a pipe, not an Event: a signal handler may run while the same thread holds the lock of an
    Event, and a pipe can be waited for together with other files.
    """

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        self._set = False
        self._second_signal_ends = True

    def fileno(self) -> int:
        """Readable once the request was made."""
        return self._reader

    def on_signals(self, *, second_signal_ends: bool = True) -> None:
        """Make SIGTERM and SIGINT set the request. By default a second one ends the process."""
        self._second_signal_ends = second_signal_ends
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._handle)

    def is_set(self) -> bool:
        return self._set

    def set(self) -> None:
        self._set = True
        os.write(self._writer, b"x")

    def wait(self, seconds: float) -> bool:
        """Sleep until the request is made, at most `seconds`. Returns whether it was made."""
        select.select([self._reader], [], [], max(0.0, seconds))
        return self._set

    def close(self) -> None:
        os.close(self._reader)
        os.close(self._writer)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._set and self._second_signal_ends:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.set()
