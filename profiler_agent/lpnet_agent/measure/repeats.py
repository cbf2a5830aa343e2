"""The timed repeats of a workload, and which of them nothing got in the way of.

What disturbs a repeat from inside this machine shows in the repeat itself: its threads waited for
a CPU, or its wall time is neither their CPU time nor their waiting (a hypervisor took the rest).
What disturbs from outside, through shared caches and memory, shows only as slowness that lasts for
a while: in windows of neighbouring repeats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lpnet_agent.measure.statistics import Values

Mask = NDArray[np.bool_]

# Of a repeat's wall time. Housekeeping of the kernel costs a long repeat some 0.1%.
MAX_WAITING = 0.01
# CPU clocks and wall clock are not read at the same instant; and stolen time is CPU time where the
# guest cannot tell.
MAX_MISSING = 0.03
_CLOCKS_NS = 3_000
# Whoever had the CPU for this long has left its own data in the caches, and may soon be back: what
# starts within the time after it does not count.
EVICTING_NS = 300_000
RECOVERY_NS = 10_000_000
# Neighbouring repeats of this much time make a window, if they are enough for a median.
WINDOW_NS = 10_000_000
MIN_IN_WINDOW = 4
# A window is slow when it is this much above the quieter windows' level (their first quartile).
SLOW_WINDOW = 0.05


@dataclass(frozen=True)
class Repeats:
    """Repeats in the order in which they were taken, of `inner` inferences each; times in ns.

    `waited` is None where the kernel does not tell; then wall time beyond CPU time counts as
    waiting, which is right for one thread, and for threads that spin. `offloaded`: a GPU computes,
    and the process may sleep until it is done, so that wall time beyond CPU time says nothing.
    """

    started: NDArray[np.int64]
    wall: NDArray[np.int64]
    cpu: NDArray[np.int64]
    waited: NDArray[np.int64] | None
    inner: int
    offloaded: bool = False

    def __len__(self) -> int:
        return int(self.wall.size)

    @property
    def ms(self) -> Values:
        """Latency of one inference in each repeat, ms."""
        return self.wall / (self.inner * 1e6)

    def undisturbed(self) -> Mask:
        """Repeats in which nothing else had a CPU of theirs, nor shortly before."""
        waiting = self._waiting()
        mask: Mask = (waiting <= MAX_WAITING * self.wall) & (self._missing() <= 0)
        gone = np.flatnonzero(waiting >= EVICTING_NS)
        if gone.size:
            back = self.started[gone] + self.wall[gone]
            last = np.searchsorted(gone, np.arange(len(self))) - 1
            since = self.started - back[np.maximum(last, 0)]
            mask &= (last < 0) | (since >= RECOVERY_NS)
        return mask

    def steady(self) -> Mask:
        """Undisturbed repeats, without those in slow windows."""
        mask = self.undisturbed()
        kept = np.flatnonzero(mask)
        windows = self._windows(kept)
        if len(windows) < 3:
            return mask
        medians = np.array([np.median(self.wall[window]) for window in windows])
        limit = (1 + SLOW_WINDOW) * np.quantile(medians, 0.25)
        for window, median in zip(windows, medians, strict=True):
            if median > limit:
                mask[window] = False
        return mask

    @property
    def waiting_share(self) -> float:
        """Of the time of all repeats, how much was spent waiting for a CPU."""
        return float(self._waiting().sum() / max(1, self.wall.sum()))

    def _waiting(self) -> NDArray[np.int64]:
        if self.waited is not None:
            return self.waited
        if self.offloaded:
            return np.zeros_like(self.wall)
        absent: NDArray[np.int64] = np.maximum(0, self.wall - self.cpu - _CLOCKS_NS)
        return absent

    def _missing(self) -> NDArray[np.float64]:
        """Wall time that is neither CPU time nor waiting, beyond what the clocks explain. Of
        several threads one is enough to fill it: the others may be asleep."""
        if self.waited is None or self.offloaded:
            return np.zeros(len(self))
        gone = self.wall - np.minimum(self.wall, self.cpu) - self.waited
        missing: NDArray[np.float64] = gone - MAX_MISSING * self.wall - _CLOCKS_NS
        return missing

    def _windows(self, kept: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Those repeats by windows; a rest too short for a median belongs to the one before."""
        windows: list[NDArray[np.intp]] = []
        begin = 0
        for end in range(1, kept.size + 1):
            long = self.started[kept[end - 1]] - self.started[kept[begin]] >= WINDOW_NS
            if end - begin >= MIN_IN_WINDOW and long:
                windows.append(kept[begin:end])
                begin = end
        if windows and begin < kept.size:
            windows[-1] = np.concatenate((windows[-1], kept[begin:]))
        return windows
