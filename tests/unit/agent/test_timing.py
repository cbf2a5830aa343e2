"""Timing against a simulated machine whose clock moves only when it works."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lpnet_agent.measure.timing import (
    SystemClock,
    TimingPlan,
    calibrate,
    time_workload,
    warm_up,
)

PLAN = TimingPlan(budget_s=0.15, warmup_s=0.05, least_s=0.03)


class Machine:
    """A machine on which the i-th inference takes `cost(i)` seconds, `share` of them CPU."""

    def __init__(self, cost: Callable[[int], float], share: float = 1.0) -> None:
        self._cost = cost
        self._share = share
        self._wall = 0.0
        self._cpu = 0.0
        self.inferences = 0

    def run(self, n: int) -> None:
        for _ in range(n):
            seconds = self._cost(self.inferences)
            self._wall += seconds
            self._cpu += seconds * self._share
            self.inferences += 1

    def wall(self) -> int:
        return round(self._wall * 1e9)

    def cpu(self) -> int:
        return round(self._cpu * 1e9)


@pytest.mark.parametrize(
    ("seconds", "inner"), [(1e-6, 256), (60e-6, 4), (199e-6, 2), (200e-6, 1), (0.05, 1)]
)
def test_short_workloads_run_several_times_in_a_repeat(seconds: float, inner: int) -> None:
    machine = Machine(lambda i: seconds)
    assert calibrate(machine.run, 200e-6, machine) == inner


def test_a_first_call_that_is_slow_does_not_fool_the_calibration() -> None:
    machine = Machine(lambda i: 0.1 if i == 0 else 1e-6)
    assert calibrate(machine.run, 200e-6, machine) == 256


def test_a_steady_workload_is_known_quickly_and_exactly() -> None:
    machine = Machine(lambda i: 1e-3)
    timing = time_workload(machine.run, PLAN, machine)
    assert timing.summary.median == pytest.approx(1.0)
    assert timing.converged
    assert timing.warm
    assert timing.inner == 1
    assert PLAN.least_s <= timing.wall_s < PLAN.budget_s
    assert timing.cpu_s == pytest.approx(timing.wall_s)
    assert timing.cpu_share == pytest.approx(1.0)


def test_latency_is_of_one_inference() -> None:
    machine = Machine(lambda i: 10e-6)
    timing = time_workload(machine.run, PLAN, machine)
    assert timing.inner == 32
    assert timing.summary.median == pytest.approx(0.01)


def test_a_noisy_workload_takes_its_budget_and_says_that_it_is_not_known() -> None:
    rng = np.random.default_rng(0)
    machine = Machine(lambda i: 1e-3 * rng.uniform(0.5, 1.5))
    timing = time_workload(machine.run, PLAN, machine)
    assert not timing.converged
    assert timing.wall_s >= PLAN.budget_s
    assert timing.summary.precision > PLAN.precision


def test_a_slow_workload_is_repeated_often_enough_for_an_interval() -> None:
    machine = Machine(lambda i: 1.0)
    timing = time_workload(machine.run, PLAN, machine)
    assert timing.summary.count == PLAN.least_repeats
    assert timing.converged


def test_warming_up_lasts_until_it_is_warm() -> None:
    machine = Machine(lambda i: 1e-3 * (1 + 10 * 0.9**i))
    plan = TimingPlan(budget_s=0.3, warmup_s=1.0, least_s=0.03)
    timing = time_workload(machine.run, plan, machine)
    assert timing.warm
    assert timing.summary.median == pytest.approx(1.0, rel=0.05)


def test_warming_up_is_given_up() -> None:
    machine = Machine(lambda i: 1e-3 * 1.01**i)
    assert not warm_up(machine.run, 1, PLAN, machine)
    assert machine.wall() >= PLAN.warmup_s * 1e9


def test_waiting_is_told_from_computing() -> None:
    machine = Machine(lambda i: 1e-3, share=0.5)
    timing = time_workload(machine.run, PLAN, machine)
    assert timing.cpu_share == pytest.approx(0.5)
    assert timing.cpu_s == pytest.approx(timing.wall_s / 2)


def test_a_rare_interruption_leaves_the_median_alone() -> None:
    machine = Machine(lambda i: 20e-3 if i % 13 == 0 else 1e-3)
    timing = time_workload(machine.run, PLAN, machine)
    assert timing.summary.median == pytest.approx(1.0)


def test_the_clocks_of_this_process_only_grow() -> None:
    clock = SystemClock()
    walls = [clock.wall() for _ in range(100)]
    cpus = [clock.cpu() for _ in range(100)]
    assert walls == sorted(walls)
    assert cpus == sorted(cpus)
    assert walls[-1] > walls[0]
