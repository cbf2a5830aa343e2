"""A pipe by which children know that the process that started them is gone, however it ended."""

from __future__ import annotations

import os
import select
import signal
from threading import Thread
from types import TracebackType
from typing import Self

_GRACE_S = 8.0


class Lifeline:
    """The parent's end. Children inherit `fd` and read it; nobody ever writes.

    The kernel closes the other end as the parent ends, killed or not, and reading then returns.
    """

    def __init__(self) -> None:
        # Not inheritable: a child that held this end would keep its brothers alive.
        self.fd, self._held = os.pipe()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self.fd)
        os.close(self._held)


def end_with(fd: int) -> None:
    """End this process with its parent, whose lifeline `fd` is: asked first, killed after 8 s."""
    Thread(target=_wait, args=(fd,), name="lifeline", daemon=True).start()


def _wait(fd: int) -> None:
    os.read(fd, 1)
    os.kill(os.getpid(), signal.SIGTERM)
    select.select([], [], [], _GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)
