"""What comes before a workload is timed: how many inferences make a repeat, and the warm-up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lpnet_agent.measure.clock import Clock
from lpnet_agent.measure.plan import TimingPlan

Run = Callable[[int], None]


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
    begun, runs = clock.wall(), inner
    end, least = begun + plan.warmup_s * 1e9, begun + plan.min_warmup_s * 1e9
    while (runs < plan.min_warmup_runs or clock.wall() < least) and clock.wall() < end:
        wait()
        run(inner)
        runs += inner
    size = max(3, min(20, int(plan.warmup_s * 1e9 / 8 / max(1, once))))

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


def _once(run: Run, inner: int, clock: Clock) -> int:
    start = clock.wall()
    run(inner)
    return clock.wall() - start
