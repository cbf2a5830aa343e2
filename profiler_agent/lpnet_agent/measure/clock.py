"""Clocks: wall time, CPU time, and time spent waiting for a CPU."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

_TASKS = Path("/proc/self/task")
_MAX_LINE_BYTES = 96


class Clock(Protocol):
    """Monotonic clocks, in ns."""

    def wall(self) -> int: ...

    def cpu(self) -> int:
        """CPU time of the measuring process, summed over its threads."""
        ...

    def waited(self) -> int | None:
        """Time that the watched threads were ready to run but had no CPU; None if the kernel does
        not report it."""
        ...

    def sleep_until(self, wall: int) -> None:
        """Return once `wall()` has reached the given time."""
        ...


class SystemClock:
    """The clocks of this process.

    Waiting is the kernel's run-queue delay per thread (second field of `schedstat`, ns). The files
    stay open: a reading then takes less than a microsecond and fits around every repeat.
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
        return sum(int(os.pread(file, _MAX_LINE_BYTES, 0).split()[1]) for file in self._files)

    def sleep_until(self, wall: int) -> None:
        remaining_ns = wall - self.wall()
        if remaining_ns > 0:
            time.sleep(remaining_ns / 1e9)

    def watch(self, threads: Iterable[int]) -> None:
        """Count the waiting of these threads of this process. Threads that have ended are
        skipped."""
        self.close()
        for thread in threads:
            try:
                self._files.append(os.open(_TASKS / str(thread) / "schedstat", os.O_RDONLY))
            except OSError:
                continue

    def close(self) -> None:
        for file in self._files:
            os.close(file)
        self._files = []


def tasks() -> frozenset[int]:
    """Thread ids of this process; empty if the kernel does not list them."""
    try:
        return frozenset(int(name) for name in os.listdir(_TASKS))
    except OSError:
        return frozenset()
