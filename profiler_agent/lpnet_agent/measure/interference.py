"""Which visits to a workload count, and what disturbed the others.

Disturbed single repeats are known already (see `repeats`). Here the visits to one workload are
compared, which are apart in time. Something that slows the machine for longer than a visit, such
as a neighbour on a shared cache, shows in no counter, but it makes visits disagree. Disturbances
only add time, so the fastest visits count once two of them agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lpnet.schemas.sample import Conditions
from lpnet_agent.gpu import conditions as gpu
from lpnet_agent.measure.probe_levels import UNKNOWN, ProbeLevels
from lpnet_agent.measure.repeats import Mask
from lpnet_agent.measure.statistics import MIN_REPEATS, Values
from lpnet_agent.measure.timing import Visit

# Two visits agree if their medians differ by at most this share of the faster one.
AGREEMENT = 0.02
# A visit with fewer counted repeats has no median to compare.
MIN_COUNTED = 3
MAX_STEAL_SHARE = 0.1
# Other load: the other cores are busy for this share of their time, other work takes this share of
# the time of the visit's own cores, or memory is slower than usual by this many percent.
CROWDED = 0.3
CONTENDED = 0.05
SLOW_MEMORY_PCT = 20.0
# Steal is counted in ticks of 10 ms; one or two of them may belong to the time before the visit.
_TICKS_S = 0.02

THROTTLED = "the CPU was throttled for heat"
ONLY_ONE_VISIT = "only one visit was made"


class VisitRecord:
    """A visit, the conditions around it, and the repeats that count, by the best levels of the
    probes so far."""

    def __init__(
        self, visit: Visit, conditions: Conditions, levels: ProbeLevels = UNKNOWN
    ) -> None:
        self.visit = visit
        self.conditions = conditions
        self.undisturbed: Mask = visit.repeats.undisturbed()
        self.compare(levels)

    def compare(self, levels: ProbeLevels) -> None:
        """Decide again which repeats count, by better levels."""
        self._ms = self.visit.repeats.scaled_ms(levels)
        self.slowed: Mask = self.visit.repeats.slowed(levels)
        self.counted: Mask = self.visit.repeats.steady(levels)

    @property
    def values(self) -> Values:
        """Latencies of the repeats that count, at the clock of the levels, ms."""
        return self._ms[self.counted]

    @property
    def median_ms(self) -> float | None:
        values = self.values
        return float(np.median(values)) if values.size >= MIN_COUNTED else None

    @property
    def rejection(self) -> str | None:
        steal_s, timed_s = self.conditions.steal_s, self.visit.timed_s
        if self.conditions.throttled:
            return THROTTLED
        if steal_s is not None and steal_s > _TICKS_S and steal_s > MAX_STEAL_SHARE * timed_s:
            return f"the hypervisor took {steal_s:.2f} s of {timed_s:.2f} s"
        return None if self.conditions.gpu is None else gpu.rejection(self.conditions.gpu)

    def other_load(self, crowded: float) -> str | None:
        busy_cores = busy_other_cores(self.conditions, crowded)
        if busy_cores is not None:
            return busy_cores
        gpu_load = None if self.conditions.gpu is None else gpu.other_load(self.conditions.gpu)
        if gpu_load is not None and crowded < 1:
            return gpu_load
        memory_pct = self.conditions.memory_pct
        if memory_pct is not None and memory_pct > SLOW_MEMORY_PCT:
            return f"memory {memory_pct:.0f}% slower than usual"
        waiting = self.visit.repeats.waiting_share
        return (
            f"other work on its CPU for {waiting:.0%} of its time" if waiting > CONTENDED else None
        )


@dataclass(frozen=True)
class VisitSelection:
    """The visits that the latency is computed from. `reasons` say in plain text what is wrong with
    them; if empty, no further visit is needed."""

    visits: tuple[VisitRecord, ...]
    reasons: tuple[str, ...]

    @property
    def settled(self) -> bool:
        return not self.reasons


def select_visits(records: Sequence[VisitRecord], crowded: float = CROWDED) -> VisitSelection:
    """Select among the visits to one workload, in chronological order.

    At least two visits have to agree, and one of them must have had no other load: other work may
    slow all visits equally, through caches and memory. `crowded` is the busy share of the other
    cores above which they count as other load.
    """
    usable = [(record.median_ms, record) for record in records if record.rejection is None]
    ranked = sorted(
        ((ms, record) for ms, record in usable if ms is not None), key=lambda pair: pair[0]
    )
    agreeing = [record for ms, record in ranked if ms <= (1 + AGREEMENT) * ranked[0][0]]
    enough = sum(int(record.counted.sum()) for record in agreeing) >= MIN_REPEATS
    loads = [record.other_load(crowded) for record in agreeing]
    if len(agreeing) >= 2 and enough and not all(loads):
        return VisitSelection(tuple(record for record in records if record in agreeing), ())
    fastest = tuple(record for _, record in ranked[:1]) or tuple(records)
    reasons = _disagreement(records, [ms for ms, _ in ranked])
    if len(agreeing) >= 2 and all(loads):
        reasons.append(all_loaded(loads[0]))
    return VisitSelection(fastest, tuple(reasons or [ONLY_ONE_VISIT]))


def busy_other_cores(conditions: Conditions, crowded: float) -> str | None:
    share = conditions.elsewhere_share
    return f"other cores {share:.0%} busy" if share is not None and share > crowded else None


def all_loaded(load: str | None) -> str:
    return f"all visits that agree had other load: {load}"


def disagreeing(medians_ms: Sequence[float]) -> str:
    return "its visits disagree: " + ", ".join(f"{ms:.4g}" for ms in medians_ms) + " ms"


def core_slowed(slowed: int, total: int) -> str:
    return f"arithmetic was slower than usual beside {slowed} of {total} runs"


def _disagreement(records: Sequence[VisitRecord], medians_ms: Sequence[float]) -> list[str]:
    rejections = (record.rejection for record in records)
    reasons = list(dict.fromkeys(reason for reason in rejections if reason is not None))
    total = sum(len(record.visit.repeats) for record in records)
    waiting = total - sum(int(record.undisturbed.sum()) for record in records)
    if len(medians_ms) < len(records) or waiting > total / 2:
        reasons.append(f"other work had its CPU in or just before {waiting} of {total} runs")
    slowed = sum(int((record.slowed & record.undisturbed).sum()) for record in records)
    if slowed > total / 2:
        reasons.append(core_slowed(slowed, total))
    if len(medians_ms) > 1 and medians_ms[1] > (1 + AGREEMENT) * medians_ms[0]:
        reasons.append(disagreeing(medians_ms))
    return reasons
