"""Timing one workload: calibrate, warm up, repeat until the median is precise enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lpnet_agent.measure.clock import Clock
from lpnet_agent.measure.device_time import measure_device_times
from lpnet_agent.measure.plan import MAX_STRETCH, TimingPlan
from lpnet_agent.measure.probe_levels import UNKNOWN, ProbeLevels
from lpnet_agent.measure.probes import ProbeLog
from lpnet_agent.measure.repeats import Repeats
from lpnet_agent.measure.statistics import Values, precision
from lpnet_agent.measure.warmup import Run, calibrate, warm_up


@dataclass(frozen=True)
class Visit:
    """The repeats of one visit. `warm`: the warm-up ended because two windows agreed. `device_ms`:
    times of a few inferences by the device's own clock, or None."""

    repeats: Repeats
    warm: bool
    device_ms: Values | None = None

    @property
    def timed_s(self) -> float:
        return float(self.repeats.wall.sum()) / 1e9


@dataclass(frozen=True)
class DeviceTimer:
    """Timing on a device other than the host's CPU. `prepare`, if any, is called before every
    inference. `ms`, if any, makes one inference and returns its time by the device's clock."""

    prepare: Callable[[], None] | None = None
    ms: Callable[[], float] | None = None


def time_workload(
    run: Run,
    plan: TimingPlan,
    clock: Clock,
    inner: int | None = None,
    device: DeviceTimer | None = None,
    probe: Callable[[], float] | None = None,
    levels: ProbeLevels = UNKNOWN,
) -> Visit:
    """Time `run(n)`, which makes n inferences back to back, on this CPU or on a `device`.

    `inner` is the number of inferences per repeat if an earlier visit has calibrated it. It is 1
    if inferences are paced or the device is prepared for each. `probe` is called between repeats;
    where it is slower than the `levels`, a neighbour slowed the repeats.
    """
    prepare = None if device is None else device.prepare
    if inner is None:
        single = plan.period_s is not None or prepare is not None
        inner = 1 if single else calibrate(run, plan.repeat_s, clock)
    pace = _Pace(plan.period_s, clock)

    def wait() -> None:
        pace.wait()
        if prepare is not None:
            prepare()

    warm = warm_up(run, inner, plan, clock, wait)
    recorder = _RepeatRecorder(clock, device is not None, probe)
    repeats = _repeat(run, inner, plan, wait, recorder, clock, levels)
    if device is None or device.ms is None:
        return Visit(repeats, warm)
    return Visit(repeats, warm, measure_device_times(device.ms, wait, len(repeats) * inner))


class _Pace:
    """Starts inferences one period apart; a late one starts at once."""

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
    recorder: _RepeatRecorder,
    clock: Clock,
    levels: ProbeLevels,
) -> Repeats:
    start = clock.wall()
    end = start + plan.budget_s * MAX_STRETCH * 1e9
    check_at = max(plan.min_repeats, 10)
    while True:
        wait()
        recorder.record(run, inner)
        timed_out = clock.wall() >= end and len(recorder) >= plan.min_repeats
        if timed_out or len(recorder) >= check_at:
            repeats = recorder.repeats(inner)
            if timed_out or _is_enough(repeats, plan, levels):
                return recorder.end(inner)
            if clock.wall() >= start + plan.budget_s * 1e9 and repeats.slowed(levels).all():
                return recorder.end(inner)  # a neighbour stays longer than this visit can
            # A check takes time and evicts the network from the cache, so they become rarer.
            check_at += max(5, check_at // 3)


def _is_enough(repeats: Repeats, plan: TimingPlan, levels: ProbeLevels) -> bool:
    kept = repeats.undisturbed() & ~repeats.slowed(levels)
    if kept.sum() < plan.min_repeats:
        return False
    first, last = repeats.started[0], repeats.started[-1]
    wall_s = float(last - first) / 1e9 if plan.period_s else float(repeats.wall[kept].sum()) / 1e9
    if wall_s >= plan.budget_s:
        return True
    return wall_s >= plan.min_s and precision(repeats.scaled_ms(levels)[kept]) <= plan.precision


class _RepeatRecorder:
    """Times repeats. The wall clock is read last before a run and first after it, so that reading
    the other clocks is not part of the wall time."""

    def __init__(self, clock: Clock, offloaded: bool, probe: Callable[[], float] | None) -> None:
        self._clock = clock
        self._offloaded = offloaded
        self._probes = None if probe is None else ProbeLog(probe, clock)
        self._rows: list[tuple[int, int, int, int]] = []
        self._has_waiting = clock.waited() is not None

    def __len__(self) -> int:
        return len(self._rows)

    def record(self, run: Run, inner: int) -> None:
        clock = self._clock
        waited = clock.waited() if self._has_waiting else 0
        cpu = clock.cpu()
        start = clock.wall()
        run(inner)
        wall = clock.wall() - start
        cpu = clock.cpu() - cpu
        waited_after = clock.waited() if self._has_waiting else 0
        self._rows.append((start, wall, cpu, (waited_after or 0) - (waited or 0)))
        if self._probes is not None:
            self._probes.take_if_due()

    def end(self, inner: int) -> Repeats:
        """The repeats, with a probe after the last one."""
        if self._probes is not None:
            self._probes.take()
        return self.repeats(inner)

    def repeats(self, inner: int) -> Repeats:
        started, wall, cpu, waited = np.array(self._rows, dtype=np.int64).T
        waiting = waited if self._has_waiting else None
        probes = None if self._probes is None else self._probes.probes()
        return Repeats(started, wall, cpu, waiting, inner, self._offloaded, probes)
