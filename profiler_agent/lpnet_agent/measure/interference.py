"""Whether something else on the machine got in the way of a measurement.

Only what cannot be mistaken counts for now: the median repeat itself was waiting, or the
hypervisor took a tenth of the time. A repeat that was preempted here and there moves no median.
"""

from __future__ import annotations

from dataclasses import dataclass

from lpnet.schemas.sample import Conditions
from lpnet_agent.measure.timing import Timing

LEAST_COUNT = 5
LEAST_CPU_SHARE = 0.9
MOST_STEAL_SHARE = 0.1


@dataclass(frozen=True)
class Verdict:
    """Reasons are written for people; none means undisturbed."""

    reasons: tuple[str, ...] = ()

    @property
    def disturbed(self) -> bool:
        return bool(self.reasons)


def judge(timing: Timing, conditions: Conditions) -> Verdict:
    """Judge one measurement by what was read around it."""
    reasons = []
    if timing.summary.count >= LEAST_COUNT and timing.cpu_share < LEAST_CPU_SHARE:
        reasons.append(
            f"the median run had the CPU for only {timing.cpu_share:.0%} of its wall time"
        )
    steal = conditions.steal_s
    if steal is not None and steal > MOST_STEAL_SHARE * timing.wall_s and steal > _TICKS_S:
        reasons.append(f"the hypervisor took {steal:.2f} s of {timing.wall_s:.2f} s")
    if conditions.throttled:
        reasons.append("the CPU was throttled for heat")
    return Verdict(tuple(reasons))


# Steal is counted in ticks of 10 ms: one or two of them may belong to the time before.
_TICKS_S = 0.02
