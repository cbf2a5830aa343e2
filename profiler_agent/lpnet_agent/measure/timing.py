"""How one workload is timed: calibrate, warm up, repeat until the median is known well enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lpnet_agent.measure.clock import Clock
from lpnet_agent.measure.device_time import device_times
from lpnet_agent.measure.plan import MAX_STRETCH, TimingPlan
from lpnet_agent.measure.repeats import Repeats
from lpnet_agent.measure.statistics import Values, precision
from lpnet_agent.measure.warmup import Run, calibrate, warm_up


@dataclass(frozen=True)
class Visit:
    """One go at a workload. `warm`: the warm-up ended because windows agreed. `device_ms`: times
    of some inferences by the clock of the device that computes them, None where it has none."""

    repeats: Repeats
    warm: bool
    device_ms: Values | None = None

    @property
    def timed_s(self) -> float:
        """Wall time of the repeats, s."""
        return float(self.repeats.wall.sum()) / 1e9


@dataclass(frozen=True)
class DeviceTimer:
    """What else there is to timing on a device beside the host. `prepare` makes it as it has to be
    before an inference; None: nothing is to be done. `ms` is what an inference takes by its own
    clock; None: it has none."""

    prepare: Callable[[], None] | None = None
    ms: Callable[[], float] | None = None


def time_workload(
    run: Run,
    plan: TimingPlan,
    clock: Clock,
    inner: int | None = None,
    device: DeviceTimer | None = None,
) -> Visit:
    """Time `run(n)`, which makes n inferences back to back, on this CPU or on a `device`.

    `inner` is the number of inferences per repeat where an earlier visit has found it; it is one
    where inferences are paced, or where the device is prepared for each.
    """
    prepare = None if device is None else device.prepare
    if inner is None:
        one = plan.period_s is not None or prepare is not None
        inner = 1 if one else calibrate(run, plan.repeat_s, clock)
    pace = _Pace(plan.period_s, clock)

    def wait() -> None:
        pace.wait()
        if prepare is not None:
            prepare()

    warm = warm_up(run, inner, plan, clock, wait)
    repeats = _repeat(run, inner, plan, wait, _Taken(clock, device is not None), clock)
    if device is None or device.ms is None:
        return Visit(repeats, warm)
    return Visit(repeats, warm, device_times(device.ms, wait, len(repeats) * inner))


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


def _repeat(
    run: Run,
    inner: int,
    plan: TimingPlan,
    wait: Callable[[], None],
    taken: _Taken,
    clock: Clock,
) -> Repeats:
    end = clock.wall() + plan.budget_s * MAX_STRETCH * 1e9
    look_at = max(plan.min_repeats, 10)
    while True:
        wait()
        taken.one(run, inner)
        over = clock.wall() >= end and len(taken) >= plan.min_repeats
        if over or len(taken) >= look_at:
            repeats = taken.repeats(inner)
            if over or _enough(repeats, plan):
                return repeats
            # Looking costs time and evicts the network from the cache: ever more rarely.
            look_at += max(5, look_at // 3)


def _enough(repeats: Repeats, plan: TimingPlan) -> bool:
    """Whether the undisturbed repeats have filled the budget, or tell the median well enough."""
    kept = repeats.undisturbed()
    if kept.sum() < plan.min_repeats:
        return False
    first, last = repeats.started[0], repeats.started[-1]
    wall_s = float(last - first) / 1e9 if plan.period_s else float(repeats.wall[kept].sum()) / 1e9
    if wall_s >= plan.budget_s:
        return True
    return wall_s >= plan.min_s and precision(repeats.ms[kept]) <= plan.precision


class _Taken:
    """Repeats as they come. The readings are in this order so that each is the next one's start:
    what a reading costs lies outside the wall time."""

    def __init__(self, clock: Clock, offloaded: bool) -> None:
        self._clock = clock
        self._offloaded = offloaded
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
        known = waited if self._tells else None
        return Repeats(started, wall, cpu, known, inner, self._offloaded)
