"""How long one visit to a workload takes, and when it has enough repeats."""

from __future__ import annotations

from dataclasses import dataclass, replace

from lpnet.schemas.device import Budgets
from lpnet_agent.gpu.library import on_gpu
from lpnet_agent.measure.messages import AnyRequest, FileRequest, Setup
from lpnet_agent.measure.statistics import MIN_REPEATS

# Disturbed repeats do not count towards the budget; a visit may take this many times the budget.
MAX_STRETCH = 3.0
_PACED_REPEATS = 12
_GPU_WARMUP_S = 0.2
_GPU_WARMUP_RUNS = 10
# Enough for some hundred repeats of a sentinel. Jobs wait meanwhile.
_SENTINEL_S = 0.4


@dataclass(frozen=True)
class TimingPlan:
    """Limits of one visit to a workload.

    Warm-up takes at most `warmup_s`, and at least `min_warmup_runs` runs and `min_warmup_s`: a
    GPU raises its clock over some tenths of a second.

    Undisturbed repeats then take `budget_s`. They may stop after `min_s` once the half width of
    the median's 95% interval is at most `precision` times the median, and go on longer until
    there are `min_repeats`. One repeat lasts at least `repeat_s`: it makes several inferences of a
    short workload, so that the clock's resolution and reading it do not matter.

    `period_s` is the time from the start of one inference to the start of the next, with the
    process asleep in between; None runs them back to back. A paced repeat is one inference.
    """

    budget_s: float
    warmup_s: float
    min_s: float
    repeat_s: float = 200e-6
    precision: float = 0.01
    min_repeats: int = MIN_REPEATS
    warm_agreement: float = 0.02
    period_s: float | None = None
    min_warmup_s: float = 0.0
    min_warmup_runs: int = 0

    @classmethod
    def from_budget(
        cls, budget_s: float, period_s: float | None = None, *, offloaded: bool = False
    ) -> TimingPlan:
        """The default plan for a budget. Paced, the budget is raised to a few inferences. On a GPU
        (`offloaded`) the warm-up is longer."""
        if period_s is not None:
            budget_s = max(budget_s, _PACED_REPEATS * period_s)
        plan = cls(budget_s, warmup_s=budget_s / 3, min_s=budget_s / 5, period_s=period_s)
        if not offloaded:
            return plan
        return replace(
            plan,
            warmup_s=max(plan.warmup_s, 2 * _GPU_WARMUP_S),
            min_warmup_s=_GPU_WARMUP_S,
            min_warmup_runs=_GPU_WARMUP_RUNS,
        )

    @property
    def max_s(self) -> float:
        """Maximum duration of a visit, s, if a single run is short compared with it."""
        return self.warmup_s + MAX_STRETCH * self.budget_s


@dataclass(frozen=True)
class TimingPlans:
    """The plan of a visit by the kind of workload."""

    block: TimingPlan
    network: TimingPlan
    sentinel: TimingPlan

    @classmethod
    def from_setup(cls, setup: Setup) -> TimingPlans:
        """The budgets of a setup are for a whole workload, which gets at least two visits."""

        def plan(budget_s: float) -> TimingPlan:
            return TimingPlan.from_budget(
                budget_s / 2, setup.period_s, offloaded=on_gpu(setup.provider)
            )

        return cls(
            block=plan(setup.block_s),
            network=plan(setup.network_s),
            sentinel=plan(min(setup.network_s, _SENTINEL_S)),
        )

    def for_request(self, request: AnyRequest) -> TimingPlan:
        if isinstance(request, FileRequest):
            return self.network
        if request.item.sentinel:
            return self.sentinel
        return self.block if request.item.kind == "block" else self.network

    def max_budgets(self, visits: int, extra_s: float = 0.0) -> Budgets:
        """Maximum time for a block and a network, with `extra_s` more per visit."""
        return Budgets(
            block_s=visits * (extra_s + self.block.max_s),
            network_s=visits * (extra_s + self.network.max_s),
        )
