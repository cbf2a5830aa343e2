"""A pipe that tells child processes when their parent has ended, even if it was killed."""

from __future__ import annotations

import os
import select
import signal
from threading import Thread
from types import TracebackType
from typing import Self

_GRACE_S = 8.0


class Lifeline:
    """The parent's end of the pipe. Children inherit `fd` and read from it; nobody writes.

    The kernel closes the parent's end when the parent ends, and the read then returns.
    """

    def __init__(self) -> None:
        # Not inheritable: a child that had the parent's end would keep its siblings alive.
        self.fd, self._parent_end = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.fd)
        os.close(self._parent_end)


def end_with_parent(fd: int) -> None:
    """End this process after its parent, whose lifeline is `fd`: SIGTERM, then SIGKILL 8 s
    later."""
    Thread(target=_wait_and_end, args=(fd,), name="lifeline", daemon=True).start()


def _wait_and_end(fd: int) -> None:
    os.read(fd, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    select.select([], [], [], _GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)
