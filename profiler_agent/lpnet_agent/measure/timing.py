"""How one workload is timed: calibrate, warm up, repeat until the median is known well enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lpnet_agent.measure.clock import Clock
from lpnet_agent.measure.repeats import Repeats
from lpnet_agent.measure.statistics import LEAST_REPEATS, precision

Run = Callable[[int], None]
# Repeats that something got in the way of do not count towards the budget, up to this many times
# the budget.
MOST_STRETCH = 3.0
_PACED_REPEATS = 12


@dataclass(frozen=True)
class TimingPlan:
    """How much is enough for one visit to a workload.

    The undisturbed repeats take between `least_s` and `budget_s`, unless `least_repeats` take
    longer; a median that is certain after a moment may be certain of that moment only. `warmup_s`
    bounds the warm-up. `repeat_s` is the least length of one timed repeat: short workloads run
    several times in it, so that neither the clock's resolution nor reading it shows. `precision`
    is the asked half width of the median's 95% interval, relative to the median.

    `period_s` is the time from the start of one inference to the start of the next, with the
    process asleep in between; None for back-to-back runs. A paced repeat is one inference.
    """

    budget_s: float
    warmup_s: float
    least_s: float
    repeat_s: float = 200e-6
    precision: float = 0.005
    least_repeats: int = LEAST_REPEATS
    warm_agreement: float = 0.02
    period_s: float | None = None

    @classmethod
    def of_budget(cls, budget_s: float, period_s: float | None = None) -> TimingPlan:
        """The usual shares of a budget. Paced, it is at least enough for a few inferences."""
        if period_s is not None:
            budget_s = max(budget_s, _PACED_REPEATS * period_s)
        return cls(budget_s, warmup_s=budget_s / 3, least_s=budget_s / 5, period_s=period_s)

    @property
    def most_s(self) -> float:
        """Longest that a visit takes, s, as long as a single run is short against it."""
        return self.warmup_s + MOST_STRETCH * self.budget_s


@dataclass(frozen=True)
class Visit:
    """One go at a workload. `warm`: the warm-up ended because windows agreed."""

    repeats: Repeats
    warm: bool

    @property
    def timed_s(self) -> float:
        """Wall time of the repeats, s."""
        return float(self.repeats.wall.sum()) / 1e9


def time_workload(run: Run, plan: TimingPlan, clock: Clock, inner: int | None = None) -> Visit:
    """Time `run(n)`, which makes n inferences back to back.

    `inner` is the number of inferences per repeat where an earlier visit has found it.
    """
    if inner is None:
        inner = 1 if plan.period_s is not None else calibrate(run, plan.repeat_s, clock)
    pace = _Pace(plan.period_s, clock)
    warm = warm_up(run, inner, plan, clock, pace.wait)
    return Visit(_repeat(run, inner, plan, clock, pace.wait), warm)


class _Pace:
    """Starts inferences a period apart; one that comes too late starts at once."""

    def __init__(self, period_s: float | None, clock: Clock) -> None:
        self._period = None if period_s is None else round(period_s * 1e9)
        self._clock = clock
        self._next = clock.wall()

    def wait(self) -> None:
        if self._period is None:
            return
        self._clock.sleep_until(self._next)
        self._next = max(self._next + self._period, self._clock.wall())


def calibrate(run: Run, repeat_s: float, clock: Clock) -> int:
    """Inferences per timed repeat: doubled until a repeat is at least `repeat_s` long.

    The first call of each size is not trusted: buffers and caches are filled in it. Only one that
    is a thousand times too long needs no second.
    """
    inner = 1
    if _once(run, inner, clock) >= 1000 * repeat_s * 1e9:
        return inner
    while True:
        if min(_once(run, inner, clock), _once(run, inner, clock)) >= repeat_s * 1e9:
            return inner
        inner *= 2


def warm_up(
    run: Run, inner: int, plan: TimingPlan, clock: Clock, wait: Callable[[], None] = lambda: None
) -> bool:
    """Run until the medians of two successive windows agree; False if `warmup_s` ended first. A
    workload that takes as long as that in a single run was warmed up by its calibration."""
    once = _once(run, inner, clock)
    if once >= plan.warmup_s * 1e9:
        return True
    size = max(3, min(20, int(plan.warmup_s * 1e9 / 8 / max(1, once))))
    end = clock.wall() + plan.warmup_s * 1e9

    def window() -> float:
        walls = []
        for _ in range(size):
            wait()
            walls.append(_once(run, inner, clock))
        return float(np.median(walls))

    before = window()
    while clock.wall() < end:
        now = window()
        if abs(now - before) <= plan.warm_agreement * before:
            return True
        before = now
    return False


def _repeat(
    run: Run,
    inner: int,
    plan: TimingPlan,
    clock: Clock,
    wait: Callable[[], None],
) -> Repeats:
    taken = _Taken(clock)
    end = clock.wall() + plan.budget_s * MOST_STRETCH * 1e9
    look_at = max(plan.least_repeats, 10)
    while True:
        wait()
        taken.one(run, inner)
        over = clock.wall() >= end and len(taken) >= plan.least_repeats
        if over or len(taken) >= look_at:
            repeats = taken.repeats(inner)
            if over or _enough(repeats, plan):
                return repeats
            # Looking costs time and evicts the network from the cache: ever more rarely.
            look_at += max(5, look_at // 3)


def _enough(repeats: Repeats, plan: TimingPlan) -> bool:
    """Whether the undisturbed repeats have filled the budget, or tell the median well enough."""
    kept = repeats.undisturbed()
    if kept.sum() < plan.least_repeats:
        return False
    first, last = repeats.started[0], repeats.started[-1]
    wall_s = float(last - first) / 1e9 if plan.period_s else float(repeats.wall[kept].sum()) / 1e9
    if wall_s >= plan.budget_s:
        return True
    return wall_s >= plan.least_s and precision(repeats.ms[kept]) <= plan.precision


class _Taken:
    """Repeats as they come. The readings are in this order so that each is the next one's start:
    what a reading costs lies outside the wall time."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._rows: list[tuple[int, int, int, int]] = []
        self._tells = clock.waited() is not None

    def __len__(self) -> int:
        return len(self._rows)

    def one(self, run: Run, inner: int) -> None:
        clock = self._clock
        waited = clock.waited() if self._tells else 0
        cpu = clock.cpu()
        start = clock.wall()
        run(inner)
        wall = clock.wall() - start
        cpu = clock.cpu() - cpu
        now = clock.waited() if self._tells else 0
        self._rows.append((start, wall, cpu, (now or 0) - (waited or 0)))

    def repeats(self, inner: int) -> Repeats:
        started, wall, cpu, waited = np.array(self._rows, dtype=np.int64).T
        return Repeats(started, wall, cpu, waited if self._tells else None, inner)


def _once(run: Run, inner: int, clock: Clock) -> int:
    start = clock.wall()
    run(inner)
    return clock.wall() - start
