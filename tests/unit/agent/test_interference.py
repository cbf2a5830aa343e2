"""Visits that agree are selected; a sample whose visits disagree is disturbed, with reasons."""

from __future__ import annotations

import numpy as np
import pytest

from lpnet.schemas.gpu import GpuConditions
from lpnet.schemas.sample import Conditions
from lpnet_agent.measure.interference import VisitRecord, select_visits
from lpnet_agent.measure.repeats import Repeats
from lpnet_agent.measure.timing import Visit


def visit(
    ms: float, count: int = 30, *, waits: int = 0, conditions: Conditions | None = None
) -> VisitRecord:
    """A visit of `count` repeats of that length, the first `waits` of which waited as long again
    for a CPU."""
    wall = np.full(count, ms * 1e6)
    waited = np.where(np.arange(count) < waits, wall, 0)
    wall = wall + waited
    parts = (np.cumsum(wall), wall, wall - waited, waited)
    started, walls, cpus, delays = (part.astype(np.int64) for part in parts)
    repeats = Repeats(started, walls, cpus, delays, inner=1)
    return VisitRecord(Visit(repeats, warm=True), conditions or Conditions())


def test_two_visits_that_agree_are_settled() -> None:
    first, second = visit(2.0), visit(2.03)
    selection = select_visits([first, second])
    assert selection.settled
    assert selection.visits == (first, second)


def test_one_visit_settles_nothing() -> None:
    selection = select_visits([visit(2.0)])
    assert not selection.settled
    assert selection.reasons == ("only one visit was made",)


def test_visits_that_disagree_are_not_settled() -> None:
    selection = select_visits([visit(2.2), visit(2.0)])
    assert not selection.settled
    assert "disagree: 2, 2.2 ms" in selection.reasons[0]


def test_the_fastest_two_are_selected_in_their_order() -> None:
    """Slowed by a neighbour at first: what does not agree with the quiet visits is left out."""
    slow, first, second = visit(2.4), visit(2.01), visit(2.0)
    selection = select_visits([slow, first, second])
    assert selection.settled
    assert selection.visits == (first, second)


def test_two_slow_visits_lose_against_a_faster_one() -> None:
    assert not select_visits([visit(2.4), visit(2.4), visit(2.0)]).settled


def test_repeats_that_waited_do_not_decide() -> None:
    selection = select_visits([visit(2.0, waits=20), visit(2.0)])
    assert selection.settled
    assert selection.visits[0].median_ms == pytest.approx(2.0)


def test_without_undisturbed_repeats_there_is_no_latency() -> None:
    selection = select_visits([visit(2.0, waits=30), visit(2.0, waits=29)])
    assert not selection.settled
    assert selection.reasons[0] == "other work had its CPU in or just before 60 of 60 runs"


def test_a_handful_of_repeats_is_not_enough() -> None:
    assert not select_visits([visit(2.0, count=2), visit(2.0, count=2)]).settled
    assert select_visits([visit(2.0, count=3), visit(2.0, count=3)]).settled


@pytest.mark.parametrize(
    ("conditions", "reason"),
    [(Conditions(throttled=True), "throttled"), (Conditions(steal_s=0.04), "hypervisor")],
)
def test_a_visit_in_bad_conditions_is_not_used(conditions: Conditions, reason: str) -> None:
    bad = [visit(2.0, conditions=conditions) for _ in range(2)]
    selection = select_visits(bad)
    assert not selection.settled
    assert reason in selection.reasons[0]
    good = [visit(2.0), visit(2.0)]
    assert select_visits([*bad, *good]).visits == tuple(good)


def test_steal_counts_in_proportion_and_beyond_the_clock_tick() -> None:
    for few in (Conditions(steal_s=0.02), Conditions(steal_s=0.0), Conditions()):
        assert select_visits([visit(2.0, conditions=few)] * 2).settled
    assert select_visits([visit(20.0, conditions=Conditions(steal_s=0.05))] * 2).settled


def test_visits_while_memory_is_slow_need_one_while_it_is_not() -> None:
    spell, calm = Conditions(memory_pct=45.0), Conditions(memory_pct=6.0)
    selection = select_visits([visit(2.0, conditions=spell)] * 2)
    assert not selection.settled
    assert selection.reasons == (
        "all visits that agree had other load: memory 45% slower than usual",
    )
    assert select_visits([visit(2.0, conditions=spell), visit(2.01, conditions=calm)]).settled


def test_load_on_other_cores_needs_a_visit_without_it() -> None:
    """It may slow all visits alike; a visit alone that agrees shows that it does not."""
    loaded, alone = Conditions(elsewhere_share=0.9), Conditions(elsewhere_share=0.1)
    crowded = [visit(2.0, conditions=loaded) for _ in range(3)]
    selection = select_visits(crowded)
    assert not selection.settled
    assert selection.reasons == ("all visits that agree had other load: other cores 90% busy",)
    assert select_visits([*crowded, visit(2.01, conditions=alone)]).settled
    assert not select_visits([*crowded, visit(1.8, conditions=alone)]).settled
    assert select_visits(crowded, crowded=1.0).settled


def test_visits_that_were_often_interrupted_need_one_that_was_not() -> None:
    """What is left between interruptions runs on caches that others have filled."""
    often = [visit(2.0, waits=10) for _ in range(2)]
    selection = select_visits(often)
    assert not selection.settled
    assert "had other load: other work on its CPU for 25% of its time" in selection.reasons[-1]
    assert select_visits([*often, visit(2.0)]).settled
    assert select_visits([visit(2.0, waits=1), visit(2.0, waits=1)]).settled


def test_what_the_others_do_may_be_unknown() -> None:
    assert select_visits([visit(2.0, conditions=Conditions(elsewhere_share=None))] * 2).settled


def test_other_processes_on_the_gpu_are_other_load() -> None:
    alone, beside = (Conditions(gpu=GpuConditions(others=count)) for count in (0, 1))
    both = select_visits([visit(2.0, conditions=beside), visit(2.0, conditions=beside)])
    assert not both.settled
    assert "1 other processes on the GPU" in both.reasons[0]
    assert select_visits([visit(2.0, conditions=beside), visit(2.0, conditions=alone)]).settled
    assert select_visits(
        [visit(2.0, conditions=beside), visit(2.0, conditions=beside)], crowded=1
    ).settled
