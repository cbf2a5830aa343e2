"""The true latency of workloads: the level that their fastest undisturbed windows converge to.

A workload is visited for short times over half an hour. Every disturbance adds time, and few last
as long, so the windows of a workload pile up at its undisturbed latency. Clocks vary with the load
of a whole package, so only windows at its usual clock count. The truth is the median of the pile,
as it was timed, and its 95% interval a bootstrap of whole visits, as the windows of a visit are
alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring.recording import RecordedVisit, Recording
from lpnet_agent.measure.probe_levels import ProbeLevels

_MIN_IN_WINDOW = 3
# The usual clock: arithmetic takes its median time in the recording, give or take this share.
_SAME_CLOCK = 0.01
# The pile: windows up to this share above the lower decile.
_DECILE, _PILE = 0.1, 0.03
_RESAMPLES = 400
# A truth is known if half of its interval is at most this share of it.
MAX_HALF_WIDTH = 0.01


@dataclass(frozen=True)
class Truth:
    """The latency of a workload and its 95% interval, ms, from that many windows."""

    ms: float
    low_ms: float
    high_ms: float
    windows: int

    @property
    def known(self) -> bool:
        return (self.high_ms - self.low_ms) / 2 <= MAX_HALF_WIDTH * self.ms

    def error(self, ms: float) -> float:
        """How far a latency is from the truth, relative to it."""
        return ms / self.ms - 1


def usual_levels(recording: Recording) -> ProbeLevels:
    """The usual time of arithmetic in a recording."""
    readings = [v.repeats.probes.arithmetic_ns for v in recording.visits if v.repeats.probes]
    level_ns = float(np.median(np.concatenate(readings)))
    return ProbeLevels(arithmetic_ns=level_ns, visits=len(recording.visits))


def truths(recording: Recording, seed: int = 0) -> dict[int, Truth]:
    """The truth of each workload. Those without an undisturbed window at the usual clock have
    none."""
    rng = np.random.default_rng(seed)
    level = usual_levels(recording).arithmetic_ns
    assert level is not None
    result = {}
    for workload in range(len(recording.names)):
        windows = [windows_ms(visit, level) for visit in recording.of(workload)]
        windows = [medians for medians in windows if medians.size]
        if windows:
            result[workload] = _truth(windows, rng)
    return result


def windows_ms(visit: RecordedVisit, level_ns: float) -> NDArray[np.float64]:
    """The median of the undisturbed repeats between each two probes that both took `level_ns`, ms;
    a long repeat is a window of its own."""
    repeats, probes = visit.repeats, visit.repeats.probes
    assert probes is not None
    usual = abs(probes.arithmetic_ns / level_ns - 1) <= _SAME_CLOCK
    before = np.searchsorted(probes.at, repeats.started, side="right") - 1
    after = np.searchsorted(probes.at, repeats.started + repeats.wall).clip(max=usual.size - 1)
    kept = repeats.undisturbed() & usual[before] & usual[after]
    parts = [repeats.ms[kept & (before == probe)] for probe in np.unique(before[kept])]
    long = (np.bincount(before) <= _MIN_IN_WINDOW).all()
    return np.array([np.median(part) for part in parts if long or part.size >= _MIN_IN_WINDOW])


def _truth(visits: Sequence[NDArray[np.float64]], rng: np.random.Generator) -> Truth:
    levels = []
    for _ in range(_RESAMPLES):
        drawn = rng.integers(0, len(visits), len(visits))
        levels.append(_pile_ms(np.concatenate([visits[i] for i in drawn])))
    low, high = np.quantile(levels, (0.025, 0.975))
    windows = np.concatenate(visits)
    return Truth(_pile_ms(windows), float(low), float(high), windows.size)


def _pile_ms(windows_ms: NDArray[np.float64]) -> float:
    limit = (1 + _PILE) * np.quantile(windows_ms, _DECILE)
    return float(np.median(windows_ms[windows_ms <= limit]))
