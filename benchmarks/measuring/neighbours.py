"""A neighbour on the sibling hyperthread, simulated on recorded visits.

While it computes it takes a share of the core, so that repeats and probes take longer, in wall and
in CPU time. No counter of this machine shows it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.measuring.recording import Ints, RecordedVisit, Recording
from lpnet_agent.measure.probes import Probes

# It takes a third of the throughput, so everything lasts half as long again.
_STRETCH = 1.5


@dataclass(frozen=True)
class Spells:
    """When it computes: spells of `length_s` in the mean, a `share` of all time."""

    length_s: float
    share: float = 0.3
    seed: int = 0

    def edges(self, end: int) -> Ints:
        """Starts and ends in turn, ns from 0 until `end`."""
        rng = np.random.default_rng(self.seed)
        idle_s = self.length_s * (1 - self.share) / self.share
        count = 2 + int(3 * end / 1e9 / (self.length_s + idle_s))
        lengths = rng.exponential((idle_s, self.length_s), (count, 2)).ravel()
        return np.cumsum(lengths * 1e9).astype(np.int64)


def beside(recording: Recording, spells: Spells) -> Recording:
    """The recording as it would be if a neighbour had computed in these spells."""
    last = recording.visits[-1].repeats
    edges = spells.edges(int(last.started[-1] + last.wall[-1]))
    return Recording(
        recording.names,
        tuple(_slowed(visit, edges) for visit in recording.visits),
    )


def _slowed(visit: RecordedVisit, edges: Ints) -> RecordedVisit:
    repeats, probes = visit.repeats, visit.repeats.probes
    assert probes is not None
    covered = _covered(repeats.started, repeats.wall, edges)
    extra: Ints = np.round((_STRETCH - 1) * covered).astype(np.int64)
    # A probe lasts for a short time: it is slowed or not.
    slow = np.where(_inside(probes.at, edges), _STRETCH, 1.0)
    slowed = Probes(probes.at, probes.arithmetic_ns * slow)
    wall, cpu = repeats.wall + extra, repeats.cpu + extra
    return replace(visit, repeats=replace(repeats, wall=wall, cpu=cpu, probes=slowed))


def _covered(start: Ints, length: Ints, edges: Ints) -> NDArray[np.float64]:
    """How much of each stretch of time lies in a spell, ns."""
    return _busy_until(start + length, edges) - _busy_until(start, edges)


def _busy_until(at: Ints, edges: Ints) -> NDArray[np.float64]:
    """Time in spells from 0 until each of `at`, ns."""
    starts, ends = edges[::2], edges[1::2]
    total = np.concatenate(([0], np.cumsum(ends - starts)))
    index = np.searchsorted(starts, at, side="right")
    running = np.where(index > 0, np.maximum(0, ends[np.maximum(index - 1, 0)] - at), 0)
    result: NDArray[np.float64] = (total[index] - running).astype(float)
    return result


def _inside(at: Ints, edges: Ints) -> NDArray[np.bool_]:
    result: NDArray[np.bool_] = np.searchsorted(edges, at, side="right") % 2 == 1
    return result
