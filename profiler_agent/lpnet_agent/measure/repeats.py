"""The timed repeats of a workload, and which of them were undisturbed.

Other work on this machine shows in the repeat itself: its threads waited for a CPU, or part of its
wall time is neither CPU time nor waiting because a hypervisor took it. Other machines that share
caches, memory or the other hyperthread of a core show only as slowness that lasts for a while: in
probes between the repeats, and in windows of neighbouring repeats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lpnet_agent.measure.probe_levels import CLOCK_RANGE, UNKNOWN, ProbeLevels
from lpnet_agent.measure.probes import Probes
from lpnet_agent.measure.statistics import Values

Mask = NDArray[np.bool_]

# Share of a repeat's wall time. Kernel housekeeping takes about 0.1% of a long repeat.
MAX_WAITING = 0.01
# Share of wall time. CPU clocks and wall clock are not read at the same instant, and some guests
# count stolen time as CPU time.
MAX_MISSING = 0.03
_CLOCKS_NS = 3_000
# A process that had the CPU for this long has replaced the caches' content and may return soon, so
# repeats that start within the recovery time do not count.
EVICTING_NS = 300_000
RECOVERY_NS = 10_000_000
# Neighbouring repeats of this much time form a window, if there are enough for a median.
WINDOW_NS = 10_000_000
MIN_IN_WINDOW = 4
# A window is slow if its median exceeds the first quartile of all windows by this share.
SLOW_WINDOW = 0.05
# A repeat does not count if the probes before and after it differ by this share: a neighbour came
# or went in between.
PROBE_AGREEMENT = 0.03


@dataclass(frozen=True)
class Repeats:
    """Repeats in chronological order, of `inner` inferences each; arrays of one length, in ns.

    `waited` is None if the kernel does not report it. Wall time beyond CPU time then counts as
    waiting, which is right for one thread and for threads that spin. With `offloaded` a GPU
    computes and the process may sleep meanwhile, so wall time beyond CPU time means nothing.
    `probes` were read before the first repeat, between others, and after the last; None if none
    were.
    """

    started: NDArray[np.int64]
    wall: NDArray[np.int64]
    cpu: NDArray[np.int64]
    waited: NDArray[np.int64] | None
    inner: int
    offloaded: bool = False
    probes: Probes | None = None

    def __len__(self) -> int:
        return int(self.wall.size)

    @property
    def ms(self) -> Values:
        """Latency of one inference in each repeat, ms."""
        return self.wall / (self.inner * 1e6)

    def undisturbed(self) -> Mask:
        """Repeats whose CPU no other work used, neither during the repeat nor shortly before."""
        waiting = self._waiting()
        mask: Mask = (waiting <= MAX_WAITING * self.wall) & (self._missing() <= 0)
        evicted = np.flatnonzero(waiting >= EVICTING_NS)
        if evicted.size:
            ends = self.started[evicted] + self.wall[evicted]
            last = np.searchsorted(evicted, np.arange(len(self))) - 1
            since = self.started - ends[np.maximum(last, 0)]
            mask &= (last < 0) | (since >= RECOVERY_NS)
        return mask

    def slowed(self, levels: ProbeLevels) -> Mask:
        """Repeats that a neighbour slowed, by the probes before and after each."""
        around = self._arithmetic_around()
        if around is None or levels.arithmetic_ns is None:
            return np.zeros(len(self), dtype=bool)
        low, high = around.min(0), around.max(0)
        mask: Mask = (high > (1 + CLOCK_RANGE) * levels.arithmetic_ns) | (
            high > (1 + PROBE_AGREEMENT) * low
        )
        return mask

    def scaled_ms(self, levels: ProbeLevels) -> Values:
        """Latency of one inference in each repeat, ms, at the clock of the levels: times their
        arithmetic, relative to that of the probes before and after it."""
        around = self._arithmetic_around()
        if around is None or levels.arithmetic_ns is None:
            return self.ms
        scaled: Values = self.ms * levels.arithmetic_ns / around.mean(0)
        return scaled

    def steady(self, levels: ProbeLevels = UNKNOWN) -> Mask:
        """Undisturbed repeats that no neighbour slowed, without those in slow windows."""
        mask = self.undisturbed() & ~self.slowed(levels)
        ms = self.scaled_ms(levels)
        kept = np.flatnonzero(mask)
        windows = self._windows(kept)
        if len(windows) < 3:
            return mask
        medians = np.array([np.median(ms[window]) for window in windows])
        limit = (1 + SLOW_WINDOW) * np.quantile(medians, 0.25)
        for window, median in zip(windows, medians, strict=True):
            if median > limit:
                mask[window] = False
        return mask

    def _arithmetic_around(self) -> NDArray[np.float64] | None:
        """Readings before and after each repeat, ns, as (2, repeats)."""
        probes = self.probes
        if probes is None:
            return None
        before = np.searchsorted(probes.at, self.started, side="right") - 1
        after = np.searchsorted(probes.at, self.started + self.wall)
        indices = np.clip((before, after), 0, probes.at.size - 1)
        return probes.arithmetic_ns[indices]

    @property
    def waiting_share(self) -> float:
        return float(self._waiting().sum() / max(1, self.wall.sum()))

    def _waiting(self) -> NDArray[np.int64]:
        if self.waited is not None:
            return self.waited
        if self.offloaded:
            return np.zeros_like(self.wall)
        off_cpu: NDArray[np.int64] = np.maximum(0, self.wall - self.cpu - _CLOCKS_NS)
        return off_cpu

    def _missing(self) -> NDArray[np.float64]:
        """Wall time beyond the tolerance that is neither CPU time nor waiting. With several
        threads the CPU time of one is enough to fill it, as the others may be asleep."""
        if self.waited is None or self.offloaded:
            return np.zeros(len(self))
        unexplained = self.wall - np.minimum(self.wall, self.cpu) - self.waited
        missing: NDArray[np.float64] = unexplained - MAX_MISSING * self.wall - _CLOCKS_NS
        return missing

    def _windows(self, kept: NDArray[np.intp]) -> list[NDArray[np.intp]]:
        """Split repeats into windows; a remainder too short for a median joins the last one."""
        windows: list[NDArray[np.intp]] = []
        begin = 0
        for end in range(1, kept.size + 1):
            is_long = self.started[kept[end - 1]] - self.started[kept[begin]] >= WINDOW_NS
            if end - begin >= MIN_IN_WINDOW and is_long:
                windows.append(kept[begin:end])
                begin = end
        if windows and begin < kept.size:
            windows[-1] = np.concatenate((windows[-1], kept[begin:]))
        return windows
