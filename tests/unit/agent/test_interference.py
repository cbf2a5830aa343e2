"""Visits that agree are believed; what does not agree is said to be disturbed, and why."""

from __future__ import annotations

import numpy as np
import pytest

from lpnet.schemas.gpu import GpuConditions
from lpnet.schemas.sample import Conditions
from lpnet_agent.measure.interference import VisitRecord, select_visits
from lpnet_agent.measure.repeats import Repeats
from lpnet_agent.measure.timing import Visit


def seen(
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
    first, second = seen(2.0), seen(2.03)
    verdict = select_visits([first, second])
    assert verdict.settled
    assert verdict.believed == (first, second)


def test_one_visit_settles_nothing() -> None:
    verdict = select_visits([seen(2.0)])
    assert not verdict.settled
    assert verdict.reasons == ("it was visited once only",)


def test_visits_that_disagree_are_not_settled() -> None:
    verdict = select_visits([seen(2.2), seen(2.0)])
    assert not verdict.settled
    assert "disagree: 2, 2.2 ms" in verdict.reasons[0]


def test_the_fastest_two_are_believed_in_the_order_they_came() -> None:
    """Slowed by a neighbour at first: what does not agree with the quiet visits is left out."""
    slow, first, second = seen(2.4), seen(2.01), seen(2.0)
    verdict = select_visits([slow, first, second])
    assert verdict.settled
    assert verdict.believed == (first, second)


def test_two_slow_visits_lose_against_a_faster_one() -> None:
    assert not select_visits([seen(2.4), seen(2.4), seen(2.0)]).settled


def test_repeats_that_waited_do_not_decide() -> None:
    verdict = select_visits([seen(2.0, waits=20), seen(2.0)])
    assert verdict.settled
    assert verdict.believed[0].median_ms == pytest.approx(2.0)


def test_without_undisturbed_repeats_there_is_no_latency() -> None:
    verdict = select_visits([seen(2.0, waits=30), seen(2.0, waits=29)])
    assert not verdict.settled
    assert verdict.reasons[0] == "other work had its CPU in or just before 60 of 60 runs"


def test_a_handful_of_repeats_is_not_enough() -> None:
    assert not select_visits([seen(2.0, count=2), seen(2.0, count=2)]).settled
    assert select_visits([seen(2.0, count=3), seen(2.0, count=3)]).settled


@pytest.mark.parametrize(
    ("conditions", "word"),
    [(Conditions(throttled=True), "throttled"), (Conditions(steal_s=0.04), "hypervisor")],
)
def test_a_visit_in_bad_conditions_is_not_believed(conditions: Conditions, word: str) -> None:
    bad = [seen(2.0, conditions=conditions) for _ in range(2)]
    verdict = select_visits(bad)
    assert not verdict.settled
    assert word in verdict.reasons[0]
    good = [seen(2.0), seen(2.0)]
    assert select_visits([*bad, *good]).believed == tuple(good)


def test_steal_counts_in_proportion_and_beyond_the_clock_tick() -> None:
    for few in (Conditions(steal_s=0.02), Conditions(steal_s=0.0), Conditions()):
        assert select_visits([seen(2.0, conditions=few)] * 2).settled
    assert select_visits([seen(20.0, conditions=Conditions(steal_s=0.05))] * 2).settled


def test_visits_while_memory_is_slow_need_one_while_it_is_not() -> None:
    spell, calm = Conditions(memory_pct=45.0), Conditions(memory_pct=6.0)
    verdict = select_visits([seen(2.0, conditions=spell)] * 2)
    assert not verdict.settled
    assert verdict.reasons == (
        "all visits that agree were in company: memory 45% slower than usual",
    )
    assert select_visits([seen(2.0, conditions=spell), seen(2.01, conditions=calm)]).settled


def test_company_on_other_cores_needs_a_visit_without_it() -> None:
    """It may slow all visits alike; a visit alone that agrees shows that it does not."""
    company, alone = Conditions(elsewhere_share=0.9), Conditions(elsewhere_share=0.1)
    crowded = [seen(2.0, conditions=company) for _ in range(3)]
    verdict = select_visits(crowded)
    assert not verdict.settled
    assert verdict.reasons == ("all visits that agree were in company: other cores 90% busy",)
    assert select_visits([*crowded, seen(2.01, conditions=alone)]).settled
    assert not select_visits([*crowded, seen(1.8, conditions=alone)]).settled
    assert select_visits(crowded, crowded=1.0).settled


def test_visits_that_were_often_interrupted_need_one_that_was_not() -> None:
    """What is left between interruptions runs on caches that others have filled."""
    often = [seen(2.0, waits=10) for _ in range(2)]
    verdict = select_visits(often)
    assert not verdict.settled
    assert "in company: others on its CPU for 25% of its time" in verdict.reasons[-1]
    assert select_visits([*often, seen(2.0)]).settled
    assert select_visits([seen(2.0, waits=1), seen(2.0, waits=1)]).settled


def test_what_the_others_do_may_be_unknown() -> None:
    assert select_visits([seen(2.0, conditions=Conditions(elsewhere_share=None))] * 2).settled


def test_other_processes_on_the_gpu_are_company() -> None:
    alone, beside = (Conditions(gpu=GpuConditions(others=count)) for count in (0, 1))
    both = select_visits([seen(2.0, conditions=beside), seen(2.0, conditions=beside)])
    assert not both.settled
    assert "1 other processes on the GPU" in both.reasons[0]
    assert select_visits([seen(2.0, conditions=beside), seen(2.0, conditions=alone)]).settled
    assert select_visits(
        [seen(2.0, conditions=beside), seen(2.0, conditions=beside)], crowded=1
    ).settled
