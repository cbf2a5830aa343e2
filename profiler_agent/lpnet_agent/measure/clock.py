"""Where time comes from: wall time, CPU time, and time spent waiting for a CPU."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

_TASKS = Path("/proc/self/task")
_LONGEST_LINE = 96


class Clock(Protocol):
    """All in ns; each only ever grows."""

    def wall(self) -> int: ...

    def cpu(self) -> int:
        """CPU time of the measuring process, all its threads together."""
        ...

    def waited(self) -> int | None:
        """Time that the watched threads were ready to run while something else had their CPU;
        None where the kernel does not tell."""
        ...

    def sleep_until(self, wall: int) -> None:
        """Return once `wall()` has reached that."""
        ...


class SystemClock:
    """The clocks of this process.

    Waiting is the kernel's run-queue delay (second field of `schedstat`), which Linux counts in
    ns per thread. The files stay open: a reading then costs less than a microsecond, so that it
    can be taken around every repeat.
    """

    def __init__(self) -> None:
        self._files: list[int] = []
        self.watch(tasks())

    def wall(self) -> int:
        return time.perf_counter_ns()

    def cpu(self) -> int:
        return time.process_time_ns()

    def waited(self) -> int | None:
        if not self._files:
            return None
        return sum(int(os.pread(file, _LONGEST_LINE, 0).split()[1]) for file in self._files)

    def sleep_until(self, wall: int) -> None:
        left = wall - self.wall()
        if left > 0:
            time.sleep(left / 1e9)

    def watch(self, threads: Iterable[int]) -> None:
        """Count the waiting of these threads of this process from now on; those that have ended
        are left out."""
        self.close()
        for thread in threads:
            try:
                self._files.append(os.open(_TASKS / str(thread) / "schedstat", os.O_RDONLY))
            except OSError:
                continue

    def close(self) -> None:
        """Stop counting."""
        for file in self._files:
            os.close(file)
        self._files = []


def tasks() -> frozenset[int]:
    """Ids of the threads of this process; none where the kernel does not list them."""
    try:
        return frozenset(int(name) for name in os.listdir(_TASKS))
    except OSError:
        return frozenset()
