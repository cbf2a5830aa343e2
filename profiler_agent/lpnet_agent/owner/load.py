"""How many other processes want a CPU."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from lpnet_agent.device_info.readings import load

# A single reading includes short work, which is no load.
_WINDOW_S = 10.0


def other_runnable_processes(root: Path = Path("/")) -> int | None:
    _, runnable = load(root)
    return None if runnable is None else max(0, runnable - 1)


class RecentLoad:
    """Mean number of other runnable processes over the last ten seconds.

    Read it between workloads: then the measuring process waits and is not counted.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._readings: deque[tuple[float, int]] = deque()

    def read(self) -> float | None:
        """Take a reading; returns the mean of recent readings, None if not exposed."""
        value = other_runnable_processes(self._root)
        if value is None:
            return None
        now = self._clock()
        self._readings.append((now, value))
        while now - self._readings[0][0] > _WINDOW_S:
            self._readings.popleft()
        return sum(count for _, count in self._readings) / len(self._readings)
