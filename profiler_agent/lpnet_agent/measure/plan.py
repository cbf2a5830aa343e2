"""How much is enough for one visit to a workload."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lpnet_agent.measure.statistics import MIN_REPEATS

# Repeats that something got in the way of do not count towards the budget, up to this many times
# the budget.
MAX_STRETCH = 3.0
_PACED_REPEATS = 12
_GPU_WARM_S = 0.2
_GPU_WARM_RUNS = 10


@dataclass(frozen=True)
class TimingPlan:
    """How much is enough for one visit to a workload.

    The undisturbed repeats take between `least_s` and `budget_s`, unless `least_repeats` take
    longer; a median that is certain after a moment may be certain of that moment only. `warmup_s`
    bounds the warm-up. `repeat_s` is the least length of one timed repeat: short workloads run
    several times in it, so that neither the clock's resolution nor reading it shows. `precision`
    is the asked half width of the median's 95% interval, relative to the median.

    Before windows are compared, at least `least_warm_runs` runs and `least_warm_s` of them are
    made: a GPU raises its clock over some tenths of a second.

    `period_s` is the time from the start of one inference to the start of the next, with the
    process asleep in between; None for back-to-back runs. A paced repeat is one inference.
    """

    budget_s: float
    warmup_s: float
    min_s: float
    repeat_s: float = 200e-6
    precision: float = 0.005
    min_repeats: int = MIN_REPEATS
    warm_agreement: float = 0.02
    period_s: float | None = None
    min_warmup_s: float = 0.0
    min_warmup_runs: int = 0

    @classmethod
    def from_budget(
        cls, budget_s: float, period_s: float | None = None, *, offloaded: bool = False
    ) -> TimingPlan:
        """The usual shares of a budget. Paced, it is at least enough for a few inferences; of a
        GPU (`offloaded`) it is warmed up for longer."""
        if period_s is not None:
            budget_s = max(budget_s, _PACED_REPEATS * period_s)
        plan = cls(budget_s, warmup_s=budget_s / 3, min_s=budget_s / 5, period_s=period_s)
        if not offloaded:
            return plan
        return replace(
            plan,
            warmup_s=max(plan.warmup_s, 2 * _GPU_WARM_S),
            min_warmup_s=_GPU_WARM_S,
            min_warmup_runs=_GPU_WARM_RUNS,
        )

    @property
    def max_s(self) -> float:
        """Longest that a visit takes, s, as long as a single run is short against it."""
        return self.warmup_s + MAX_STRETCH * self.budget_s
