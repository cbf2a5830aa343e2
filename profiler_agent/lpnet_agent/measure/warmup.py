"""Before timing: how many inferences make a repeat, and the warm-up."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from lpnet_agent.measure.clock import Clock
from lpnet_agent.measure.plan import TimingPlan

Run = Callable[[int], None]


def calibrate(run: Run, repeat_s: float, clock: Clock) -> int:
    """Inferences per timed repeat: doubled until a repeat lasts at least `repeat_s`.

    The first call of each size fills buffers and caches, so its time is ignored, unless it is a
    thousand times too long.
    """
    inner = 1
    if _time_ns(run, inner, clock) >= 1000 * repeat_s * 1e9:
        return inner
    while True:
        if min(_time_ns(run, inner, clock), _time_ns(run, inner, clock)) >= repeat_s * 1e9:
            return inner
        inner *= 2


def warm_up(
    run: Run, inner: int, plan: TimingPlan, clock: Clock, wait: Callable[[], None] = lambda: None
) -> bool:
    """Run until the medians of two successive windows agree; False if `warmup_s` ended first.

    A workload that takes `warmup_s` in a single run is warm after its calibration.
    """
    repeat_ns = _time_ns(run, inner, clock)
    if repeat_ns >= plan.warmup_s * 1e9:
        return True
    start, runs = clock.wall(), inner
    end, min_end = start + plan.warmup_s * 1e9, start + plan.min_warmup_s * 1e9
    while (runs < plan.min_warmup_runs or clock.wall() < min_end) and clock.wall() < end:
        wait()
        run(inner)
        runs += inner
    size = max(3, min(20, int(plan.warmup_s * 1e9 / 8 / max(1, repeat_ns))))

    def window_median() -> float:
        times = []
        for _ in range(size):
            wait()
            times.append(_time_ns(run, inner, clock))
        return float(np.median(times))

    before = window_median()
    while clock.wall() < end:
        current = window_median()
        if abs(current - before) <= plan.warm_agreement * before:
            return True
        before = current
    return False


def _time_ns(run: Run, inner: int, clock: Clock) -> int:
    start = clock.wall()
    run(inner)
    return clock.wall() - start
