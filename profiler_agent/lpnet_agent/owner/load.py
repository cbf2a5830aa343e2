"""How many processes of others want the CPU."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

from lpnet_agent.device_info.readings import load

# One look sees whatever happens to run at that moment: short work of others is no load.
_OVER_S = 10.0


def others_runnable(root: Path = Path("/")) -> int | None:
    """Processes that run or wait for a CPU now, beside the one that asks; None: not exposed."""
    _, runnable = load(root)
    return None if runnable is None else max(0, runnable - 1)


class Load:
    """Mean of what was seen in the last ten seconds.

    To be asked between workloads, when the measuring process waits and is not counted.
    """

    def __init__(self, root: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._clock = clock
        self._seen: deque[tuple[float, int]] = deque()

    def read(self) -> float | None:
        """Looks, and returns the mean with what was seen before; None: not exposed."""
        value = others_runnable(self._root)
        if value is None:
            return None
        now = self._clock()
        self._seen.append((now, value))
        while now - self._seen[0][0] > _OVER_S:
            self._seen.popleft()
        return sum(count for _, count in self._seen) / len(self._seen)
