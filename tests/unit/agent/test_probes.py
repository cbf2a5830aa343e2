"""Probes between repeats, their best levels, and the repeats that a neighbour slowed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lpnet.schemas.sample import Conditions
from lpnet_agent.measure.clock import SystemClock
from lpnet_agent.measure.interference import VisitRecord, select_visits
from lpnet_agent.measure.plan import TimingPlan
from lpnet_agent.measure.probe_levels import UNKNOWN, ProbeLevels
from lpnet_agent.measure.probes import INTERVAL_NS, Prober, Probes
from lpnet_agent.measure.repeats import Repeats
from lpnet_agent.measure.timing import Visit, time_workload

MS = 1_000_000
PLAN = TimingPlan(budget_s=0.15, warmup_s=0.05, min_s=0.03)
LEVELS = ProbeLevels(arithmetic_ns=1000)


class Core:
    """A core on which everything takes `slowness(at_s)` times as long as it should: an inference
    one millisecond, a probe a tenth."""

    def __init__(self, slowness: Callable[[float], float] = lambda at_s: 1.0) -> None:
        self._slowness = slowness
        self.now_ns = 0
        self.readings: list[int] = []

    def run(self, n: int) -> None:
        for _ in range(n):
            self._pass(MS)

    def read(self) -> float:
        self.readings.append(self.now_ns)
        factor = self._slowness(self.now_ns / 1e9)
        self._pass(MS // 10)
        return 1000 * factor

    def wall(self) -> int:
        return self.now_ns

    cpu = wall

    def waited(self) -> int | None:
        return 0

    def sleep_until(self, wall: int) -> None:
        self.now_ns = max(self.now_ns, wall)

    def _pass(self, ns: int) -> None:
        self.now_ns += round(ns * self._slowness(self.now_ns / 1e9))


def visit(core: Core, levels: ProbeLevels = UNKNOWN) -> Visit:
    return time_workload(core.run, PLAN, core, inner=1, probe=core.read, levels=levels)


def probes(arithmetic_ns: list[float], every_ns: int = 10 * MS) -> Probes:
    readings = np.array(arithmetic_ns)
    return Probes(np.arange(readings.size) * every_ns, readings)


def repeats_beside(arithmetic_ns: list[float]) -> Repeats:
    """40 repeats of a millisecond, with a probe before, after and between every ten."""
    started, wall = np.arange(40) * MS, np.full(40, MS)
    return Repeats(
        started, wall, wall, np.zeros(40, np.int64), inner=1, probes=probes(arithmetic_ns)
    )


def test_readings_surround_the_repeats_and_are_an_interval_apart() -> None:
    core = Core()
    repeats = visit(core).repeats
    assert repeats.probes is not None
    assert repeats.probes.at.tolist() == core.readings
    assert repeats.probes.at[0] < repeats.started[0]
    assert repeats.probes.at[-1] > repeats.started[-1]
    gaps = np.diff(repeats.probes.at)[:-1]
    assert (gaps >= INTERVAL_NS).all()
    assert (gaps <= INTERVAL_NS + 2 * MS).all()


def test_no_probe_is_part_of_a_repeat() -> None:
    repeats = visit(Core()).repeats
    assert (repeats.wall == MS).all()


def test_the_first_visit_sets_the_level() -> None:
    first = UNKNOWN.improved(probes([1100.0] * 3 + [1000.0] * 5))
    assert first == ProbeLevels(arithmetic_ns=1000, visits=1)


def test_the_level_becomes_the_usual_clock() -> None:
    rng = np.random.default_rng(0)
    levels = UNKNOWN.improved(probes([970.0] * 8))
    for clock in rng.normal(1000, 20, 2000):
        levels = levels.improved(probes([clock] * 8))
    assert levels.arithmetic_ns == pytest.approx(1000, rel=0.003)
    later = levels.improved(probes([1040.0] * 8))
    assert later.arithmetic_ns == pytest.approx(levels.arithmetic_ns, rel=1e-4)


def test_visits_beside_a_neighbour_do_not_change_the_level() -> None:
    assert LEVELS.improved(probes([1400.0] * 8)) == LEVELS


def test_a_visit_far_faster_than_the_level_replaces_it() -> None:
    """A neighbour slowed all visits before."""
    assert LEVELS.improved(probes([700.0] * 8)) == ProbeLevels(arithmetic_ns=700, visits=1)


@pytest.mark.parametrize("few", [None, probes([700.0] * 4)])
def test_few_readings_say_nothing_of_a_level(few: Probes | None) -> None:
    assert LEVELS.improved(few) == LEVELS
    assert UNKNOWN.improved(few) == UNKNOWN


def test_a_repeat_counts_if_the_probes_around_it_agree() -> None:
    repeats = repeats_beside([1000, 1000, 1100, 1000, 1000])
    assert repeats.slowed(LEVELS).tolist() == [False] * 10 + [True] * 20 + [False] * 10
    assert not repeats.slowed(UNKNOWN).any()


def test_a_repeat_counts_if_the_clock_is_in_its_range() -> None:
    assert not repeats_beside([1080] * 5).slowed(LEVELS).any()
    assert repeats_beside([1150] * 5).slowed(LEVELS).all()


def test_latencies_are_those_at_the_clock_of_the_level() -> None:
    assert repeats_beside([1100] * 5).scaled_ms(LEVELS) == pytest.approx(np.full(40, 1 / 1.1))
    assert repeats_beside([1100] * 5).scaled_ms(UNKNOWN) == pytest.approx(np.ones(40))


def test_a_clock_that_varies_does_not_change_the_latency() -> None:
    core = Core(lambda at_s: 1.02 + at_s)
    record = VisitRecord(visit(core, LEVELS), Conditions(), LEVELS)
    assert record.median_ms == pytest.approx(1.0, rel=0.003)
    assert float(np.median(record.visit.repeats.ms)) > 1.03


def test_a_spell_within_a_visit_leaves_the_rest_of_it() -> None:
    core = Core(lambda at_s: 1.45 if 0.02 < at_s < 0.035 else 1.0)
    record = VisitRecord(visit(core, LEVELS), Conditions(), LEVELS)
    assert record.median_ms == pytest.approx(1.0)
    assert record.slowed.any()
    assert record.counted.sum() * MS >= PLAN.min_s * 1e9


def test_a_visit_goes_on_where_a_neighbour_took_half_of_it() -> None:
    spell = Core(lambda at_s: 1.45 if at_s < 0.1 else 1.0)
    assert len(visit(spell, LEVELS).repeats) > len(visit(Core(), LEVELS).repeats)


def test_a_visit_does_not_wait_for_a_neighbour_that_stays() -> None:
    core = Core(lambda at_s: 1.45)
    repeats = visit(core, LEVELS).repeats
    assert repeats.slowed(LEVELS).all()
    assert repeats.wall.sum() < 1.5e9 * PLAN.budget_s


def test_visits_that_a_neighbour_slowed_throughout_are_refused() -> None:
    """They agree with each other, and no counter shows anything."""
    slow = [VisitRecord(visit(Core(lambda _: 1.4)), Conditions()) for _ in range(2)]
    assert select_visits(slow).settled
    for record in slow:
        record.compare(LEVELS)
    selection = select_visits(slow)
    assert not selection.settled
    total = sum(len(record.visit.repeats) for record in slow)
    assert f"arithmetic was slower than usual beside {total} of {total} runs" in selection.reasons


def test_a_prober_reads_this_machine() -> None:
    prober = Prober(SystemClock())
    readings = [prober.read() for _ in range(300)]
    assert all(reading > 10 for reading in readings)
