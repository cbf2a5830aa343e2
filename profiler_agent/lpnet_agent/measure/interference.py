"""Whether something got in the way of a measurement, and which visits can be believed.

Single repeats that were disturbed are known already (`repeats`). Here the visits to one workload
are compared, which are apart in time: whatever slows the machine for longer than a visit, a
neighbour on a shared cache say, shows in no counter but makes visits disagree. Disturbances add
time, so the fastest visits are believed once two of them agree.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lpnet.schemas.sample import Conditions
from lpnet_agent.gpu import conditions as gpu
from lpnet_agent.measure.repeats import Mask
from lpnet_agent.measure.statistics import MIN_REPEATS, Values
from lpnet_agent.measure.timing import Visit

# Two visits agree when their medians differ by no more than this, relative to the faster.
AGREEMENT = 0.02
# Below this many counted repeats a visit has no median to compare.
MIN_COUNTED = 3
MAX_STEAL_SHARE = 0.1
# Company: the other cores are busy for this share of their time, something else wants the visit's
# own cores for this share of its time, or memory is this much slower than usual, in percent.
CROWDED = 0.3
CONTENDED = 0.05
SLOW_MEMORY_PCT = 20.0
# Steal is counted in ticks of 10 ms: one or two of them may belong to the time before.
_TICKS_S = 0.02


class VisitRecord:
    """A visit, the conditions that were read around it, and the repeats that count."""

    def __init__(self, visit: Visit, conditions: Conditions) -> None:
        self.visit = visit
        self.conditions = conditions
        self.undisturbed: Mask = visit.repeats.undisturbed()
        self.counted: Mask = visit.repeats.steady()

    @property
    def values(self) -> Values:
        """Latencies of the repeats that count, ms."""
        counted: Values = self.visit.repeats.ms[self.counted]
        return counted

    @property
    def median_ms(self) -> float | None:
        """None where too few repeats count."""
        values = self.values
        return float(np.median(values)) if values.size >= MIN_COUNTED else None

    @property
    def refusal(self) -> str | None:
        """Why nothing of this visit can be believed, or None."""
        steal, timed = self.conditions.steal_s, self.visit.timed_s
        if self.conditions.throttled:
            return "the CPU was throttled for heat"
        if steal is not None and steal > _TICKS_S and steal > MAX_STEAL_SHARE * timed:
            return f"the hypervisor took {steal:.2f} s of {timed:.2f} s"
        return None if self.conditions.gpu is None else gpu.refusal(self.conditions.gpu)

    def company(self, crowded: float) -> str | None:
        """Who was there as well, or None."""
        elsewhere = self.conditions.elsewhere_share
        if elsewhere is not None and elsewhere > crowded:
            return f"other cores {elsewhere:.0%} busy"
        beside = None if self.conditions.gpu is None else gpu.company(self.conditions.gpu)
        if beside is not None and crowded < 1:
            return beside
        memory = self.conditions.memory_pct
        if memory is not None and memory > SLOW_MEMORY_PCT:
            return f"memory {memory:.0f}% slower than usual"
        waiting = self.visit.repeats.waiting_share
        return f"others on its CPU for {waiting:.0%} of its time" if waiting > CONTENDED else None


@dataclass(frozen=True)
class VisitSelection:
    """`believed` are the visits that the latency is taken from. `reasons`, written for people, say
    what is wrong; none means that the measurement is settled."""

    believed: tuple[VisitRecord, ...]
    reasons: tuple[str, ...]

    @property
    def settled(self) -> bool:
        return not self.reasons


def select_visits(seen: Sequence[VisitRecord], crowded: float = CROWDED) -> VisitSelection:
    """Judge the visits to one workload, in the order in which they were made.

    A visit in company cannot vouch alone: what others do may slow every visit alike, through
    caches and memory. One agreeing visit without company is enough; `crowded` is the share of the
    other cores' time from which on they are company.
    """
    usable = [(one.median_ms, one) for one in seen if one.refusal is None]
    known = sorted(((ms, one) for ms, one in usable if ms is not None), key=lambda pair: pair[0])
    agreeing = [one for ms, one in known if ms <= (1 + AGREEMENT) * known[0][0]]
    enough = sum(int(one.counted.sum()) for one in agreeing) >= MIN_REPEATS
    company = [one.company(crowded) for one in agreeing]
    if len(agreeing) >= 2 and enough and not all(company):
        return VisitSelection(tuple(one for one in seen if one in agreeing), ())
    believed = tuple(one for _, one in known[:1]) or tuple(seen)
    reasons = _reasons(seen, [ms for ms, _ in known])
    if len(agreeing) >= 2 and all(company):
        reasons.append(f"all visits that agree were in company: {company[0]}")
    if not reasons:
        reasons.append("it was visited once only")
    return VisitSelection(believed, tuple(reasons))


def _reasons(seen: Sequence[VisitRecord], medians: Sequence[float]) -> list[str]:
    """What kept the visits from agreeing."""
    reasons = list(dict.fromkeys(one.refusal for one in seen if one.refusal is not None))
    taken = sum(len(one.visit.repeats) for one in seen)
    waiting = taken - sum(int(one.undisturbed.sum()) for one in seen)
    if len(medians) < len(seen) or waiting > taken / 2:
        reasons.append(f"other work had its CPU in or just before {waiting} of {taken} runs")
    if len(medians) > 1 and medians[1] > (1 + AGREEMENT) * medians[0]:
        reasons.append("its visits disagree: " + ", ".join(f"{ms:.4g}" for ms in medians) + " ms")
    return reasons
