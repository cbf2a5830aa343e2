"""How one workload is timed: calibrate, warm up, repeat until the median is known well enough."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from lpnet_agent.measure.statistics import LEAST_REPEATS, Summary, summarise

Run = Callable[[int], None]


class Clock(Protocol):
    """Where time comes from; both in ns, both only ever grow."""

    def wall(self) -> int: ...

    def cpu(self) -> int:
        """CPU time of the measuring process, all its threads together."""
        ...


class SystemClock:
    """The clocks of this process."""

    def wall(self) -> int:
        return time.perf_counter_ns()

    def cpu(self) -> int:
        return time.process_time_ns()


@dataclass(frozen=True)
class TimingPlan:
    """How much is enough.

    The timed repeats take between `least_s` and `budget_s`, unless `least_repeats` take longer;
    a median that is certain after a moment may be certain of that moment only. `warmup_s` bounds
    the warm-up. `repeat_s` is the least length of one timed repeat: short workloads run several
    times in it, so that neither the clock's resolution nor reading it shows. `precision` is the
    asked half width of the median's 95% interval, relative to the median.
    """

    budget_s: float
    warmup_s: float
    least_s: float
    repeat_s: float = 200e-6
    precision: float = 0.005
    least_repeats: int = LEAST_REPEATS
    warm_agreement: float = 0.02

    @classmethod
    def of_budget(cls, budget_s: float) -> TimingPlan:
        """The usual shares of a budget."""
        return cls(budget_s, warmup_s=budget_s / 3, least_s=budget_s / 5)


@dataclass(frozen=True)
class Timing:
    """What was seen. `cpu_share` is CPU over wall time of the median repeat: below 1 on one
    thread, it was waiting and not computing."""

    summary: Summary
    inner: int
    converged: bool
    warm: bool
    wall_s: float
    cpu_s: float
    cpu_share: float


def time_workload(run: Run, plan: TimingPlan, clock: Clock) -> Timing:
    """Time `run(n)`, which makes n inferences back to back."""
    inner = calibrate(run, plan.repeat_s, clock)
    warm = warm_up(run, inner, plan, clock)
    return _repeat(run, inner, warm, plan, clock)


def calibrate(run: Run, repeat_s: float, clock: Clock) -> int:
    """Inferences per timed repeat: doubled until a repeat is at least `repeat_s` long.

    The first call of each size is not trusted: buffers and caches are filled in it.
    """
    inner = 1
    while True:
        if min(_once(run, inner, clock), _once(run, inner, clock)) >= repeat_s * 1e9:
            return inner
        inner *= 2


def warm_up(run: Run, inner: int, plan: TimingPlan, clock: Clock) -> bool:
    """Run until the medians of two successive windows agree; False if `warmup_s` ended first."""
    size = max(3, min(20, int(plan.warmup_s * 1e9 / 8 / max(1, _once(run, inner, clock)))))
    end = clock.wall() + plan.warmup_s * 1e9
    before = _window(run, inner, size, clock)
    while clock.wall() < end:
        now = _window(run, inner, size, clock)
        if abs(now - before) <= plan.warm_agreement * before:
            return True
        before = now
    return False


def _repeat(run: Run, inner: int, warm: bool, plan: TimingPlan, clock: Clock) -> Timing:
    walls: list[int] = []
    cpus: list[int] = []
    start = clock.wall()
    end = start + plan.budget_s * 1e9
    look_at = max(plan.least_repeats, 10)
    cpu = clock.cpu()
    while True:
        wall = clock.wall()
        run(inner)
        walls.append(clock.wall() - wall)
        now = clock.cpu()
        cpus.append(now - cpu)
        cpu = now
        over = clock.wall() >= end and len(walls) >= plan.least_repeats
        if over or len(walls) >= look_at:
            summary = summarise(np.array(walls) / (inner * 1e6))
            enough = clock.wall() >= start + plan.least_s * 1e9
            if over or (enough and summary.precision <= plan.precision):
                break
            # Looking costs time and evicts the network from the cache: ever more rarely.
            look_at += max(5, look_at // 3)
            cpu = clock.cpu()
    return Timing(
        summary=summary,
        inner=inner,
        converged=summary.precision <= plan.precision,
        warm=warm,
        wall_s=sum(walls) / 1e9,
        cpu_s=sum(cpus) / 1e9,
        cpu_share=float(np.median(np.array(cpus) / np.array(walls))),
    )


def _window(run: Run, inner: int, size: int, clock: Clock) -> float:
    return float(np.median([_once(run, inner, clock) for _ in range(size)]))


def _once(run: Run, inner: int, clock: Clock) -> int:
    start = clock.wall()
    run(inner)
    return clock.wall() - start
