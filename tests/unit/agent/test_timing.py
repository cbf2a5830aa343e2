"""Timing against a simulated machine whose clock moves only when it works."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pytest

from lpnet_agent.measure.clock import SystemClock
from lpnet_agent.measure.plan import TimingPlan
from lpnet_agent.measure.statistics import precision
from lpnet_agent.measure.timing import Visit, time_workload
from lpnet_agent.measure.warmup import calibrate, warm_up

PLAN = TimingPlan(budget_s=0.15, warmup_s=0.05, min_s=0.03)


class Machine:
    """A machine on which the i-th inference takes `cost(i)` seconds of CPU, after having waited
    `delay(i)` seconds for one. Without `tells` it does not say how long it waited."""

    def __init__(
        self,
        cost: Callable[[int], float],
        delay: Callable[[int], float] = lambda i: 0.0,
        *,
        tells: bool = True,
    ) -> None:
        self._cost = cost
        self._delay = delay
        self._tells = tells
        self._wall = 0.0
        self._cpu = 0.0
        self._waited = 0.0
        self.inferences = 0
        self.starts: list[float] = []

    def run(self, n: int) -> None:
        for _ in range(n):
            self.starts.append(self._wall)
            seconds, waited = self._cost(self.inferences), self._delay(self.inferences)
            self._wall += seconds + waited
            self._cpu += seconds
            self._waited += waited
            self.inferences += 1

    def wall(self) -> int:
        return round(self._wall * 1e9)

    def cpu(self) -> int:
        return round(self._cpu * 1e9)

    def waited(self) -> int | None:
        return round(self._waited * 1e9) if self._tells else None

    def sleep_until(self, wall: int) -> None:
        self._wall = max(self._wall, wall / 1e9)


def median(visit: Visit) -> float:
    return float(np.median(visit.repeats.ms[visit.repeats.undisturbed()]))


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
    visit = time_workload(machine.run, PLAN, machine)
    assert median(visit) == pytest.approx(1.0)
    assert visit.warm
    assert visit.repeats.inner == 1
    assert PLAN.min_s <= visit.timed_s < PLAN.budget_s
    assert visit.repeats.cpu.sum() == visit.repeats.wall.sum()


def test_latency_is_of_one_inference() -> None:
    machine = Machine(lambda i: 10e-6)
    visit = time_workload(machine.run, PLAN, machine)
    assert visit.repeats.inner == 32
    assert median(visit) == pytest.approx(0.01)


def test_a_later_visit_need_not_be_calibrated() -> None:
    machine = Machine(lambda i: 10e-6)
    assert time_workload(machine.run, PLAN, machine, inner=8).repeats.inner == 8


def test_a_noisy_workload_takes_its_budget() -> None:
    rng = np.random.default_rng(0)
    machine = Machine(lambda i: 1e-3 * rng.uniform(0.5, 1.5))
    visit = time_workload(machine.run, PLAN, machine)
    assert PLAN.budget_s <= visit.timed_s < 2 * PLAN.budget_s
    assert precision(visit.repeats.ms) > PLAN.precision


def test_a_slow_workload_is_repeated_often_enough_for_an_interval() -> None:
    machine = Machine(lambda i: 1.0)
    visit = time_workload(machine.run, PLAN, machine)
    assert len(visit.repeats) >= PLAN.min_repeats
    assert machine.inferences <= PLAN.min_repeats + 2


def test_warming_up_lasts_until_it_is_warm() -> None:
    machine = Machine(lambda i: 1e-3 * (1 + 10 * 0.9**i))
    plan = TimingPlan(budget_s=0.3, warmup_s=1.0, min_s=0.03)
    visit = time_workload(machine.run, plan, machine)
    assert visit.warm
    assert median(visit) == pytest.approx(1.0, rel=0.05)


def test_warming_up_is_given_up() -> None:
    machine = Machine(lambda i: 1e-3 * 1.01**i)
    assert not warm_up(machine.run, 1, PLAN, machine)
    assert machine.wall() >= PLAN.warmup_s * 1e9


@pytest.mark.parametrize("tells", [True, False])
def test_waiting_runs_fill_no_budget_and_move_no_median(tells: bool) -> None:
    """Two of three bursts of runs wait; with noise, so that the budget decides when it ends."""
    rng = np.random.default_rng(0)
    machine = Machine(
        lambda i: 1e-3 * rng.uniform(0.9, 1.1),
        lambda i: 0.0 if i // 30 % 3 == 0 else 2e-3,
        tells=tells,
    )
    visit = time_workload(machine.run, PLAN, machine)
    kept = visit.repeats.undisturbed()
    assert 0 < kept.sum() < 0.4 * len(visit.repeats)
    assert median(visit) == pytest.approx(1.0, rel=0.05)
    assert np.median(visit.repeats.ms) > 2
    assert visit.timed_s > PLAN.budget_s


def test_work_that_only_ever_waits_ends_all_the_same() -> None:
    machine = Machine(lambda i: 1e-3, lambda i: 1e-3)
    visit = time_workload(machine.run, PLAN, machine)
    assert not visit.repeats.undisturbed().any()
    assert visit.timed_s == pytest.approx(3 * PLAN.budget_s, rel=0.1)


def test_a_rare_interruption_leaves_the_median_alone() -> None:
    machine = Machine(lambda i: 20e-3 if i % 13 == 0 else 1e-3)
    assert median(time_workload(machine.run, PLAN, machine)) == pytest.approx(1.0)


def test_paced_runs_start_a_period_apart() -> None:
    plan = TimingPlan.from_budget(0.3, period_s=0.02)
    machine = Machine(lambda i: 1e-5)
    visit = time_workload(machine.run, plan, machine)
    assert visit.repeats.inner == 1
    assert np.diff(visit.repeats.started) == pytest.approx(0.02e9)
    assert median(visit) == pytest.approx(0.01)
    assert len(visit.repeats) >= plan.min_repeats


def test_a_paced_run_that_is_late_starts_at_once() -> None:
    plan = TimingPlan.from_budget(0.3, period_s=0.02)
    machine = Machine(lambda i: 0.03)
    visit = time_workload(machine.run, plan, machine)
    assert np.diff(visit.repeats.started) == pytest.approx(0.03e9)


def test_the_clocks_of_this_process_only_grow() -> None:
    clock = SystemClock()
    walls = [clock.wall() for _ in range(100)]
    cpus = [clock.cpu() for _ in range(100)]
    waits = [clock.waited() or 0 for _ in range(100)]
    assert walls == sorted(walls)
    assert cpus == sorted(cpus)
    assert waits == sorted(waits)
    assert walls[-1] > walls[0]
    clock.sleep_until(clock.wall() + 1_000_000)
    assert clock.wall() - walls[-1] >= 1_000_000
    clock.close()
    assert clock.waited() is None


def test_waiting_is_what_the_kernel_says() -> None:
    """Two busy processes on one core wait for each other."""
    core = min(os.sched_getaffinity(0))
    script = (
        f"import os, time; os.sched_setaffinity(0, {{{core}}})\n"
        "from lpnet_agent.measure.clock import SystemClock\n"
        "print('ready', flush=True); input()\n"
        "clock = SystemClock(); end = clock.cpu() + 200_000_000\n"
        "while clock.cpu() < end: pass\n"
        "print(clock.waited())"
    )
    pipe = subprocess.PIPE
    both = [
        subprocess.Popen([sys.executable, "-c", script], stdin=pipe, stdout=pipe, text=True)
        for _ in range(2)
    ]
    for process in both:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in both:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    waited = [int(process.communicate(timeout=300)[0]) for process in both]
    assert max(waited) > 50_000_000
