"""What visits to a network on a phone come to."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpnet.schemas.sample import Conditions
from lpnet_agent.devices.adb.measurement import settled, to_measurement
from lpnet_agent.devices.adb.output import Timing
from lpnet_agent.devices.adb.visit import PhoneVisit, flags
from lpnet_agent.measure.plan import TimingPlan

CROWDED = 0.3


def visit(
    median: float,
    *,
    count: int = 20,
    std: float = 0.1,
    others: float | None = 0.0,
    elsewhere: float | None = 0.1,
    throttled: bool | None = False,
    celsius: float = 40.0,
) -> PhoneVisit:
    timing = Timing(
        count=count,
        min_ms=0.9 * median,
        p5_ms=0.95 * median,
        median_ms=median,
        p95_ms=1.1 * median,
        max_ms=1.2 * median,
        mean_ms=1.01 * median,
        std_ms=std,
        init_ms=5.0,
    )
    conditions = Conditions(
        elsewhere_share=elsewhere, throttled=throttled, temperature_c=celsius, others_s=0.01
    )
    return PhoneVisit(timing, conditions, others)


def test_two_visits_that_agree_settle_it() -> None:
    seen = [visit(10.0, count=30), visit(10.15, count=10, celsius=44.0)]
    assert not settled(seen[:1], CROWDED)
    assert settled(seen, CROWDED)
    found = to_measurement(seen, "s", CROWDED)
    assert found.latency_ms == pytest.approx((30 * 10.0 + 10 * 10.15) / 40)
    assert (found.count, found.min_ms, found.disturbed) == (40, 9.0, False)
    assert (found.p10_ms, found.ci_low_ms, found.converged) == (None, None, None)
    assert found.conditions is not None
    assert found.conditions.visits_ms == (10.0, 10.15)
    assert (found.conditions.runs, found.conditions.temperature_c) == (40, 44.0)
    assert found.conditions.others_s == pytest.approx(0.02)


def test_the_spread_is_that_of_all_runs() -> None:
    found = to_measurement([visit(10.0, std=0.0), visit(10.1, std=0.0)], "s", CROWDED)
    assert found.std_ms == pytest.approx(0.0505, rel=1e-6)


def test_the_fastest_are_believed() -> None:
    seen = [visit(12.0), visit(10.0), visit(10.1)]
    found = to_measurement(seen, "s", CROWDED)
    assert not found.disturbed
    assert found.latency_ms == pytest.approx(10.05)
    assert found.conditions is not None
    assert found.conditions.plain_ms == pytest.approx(10.7)


def test_visits_that_disagree_are_said_so() -> None:
    found = to_measurement([visit(10.0), visit(11.0)], "s", CROWDED)
    assert found.disturbed
    assert found.reasons == ("its visits disagree: 10, 11 ms",)
    assert found.latency_ms == 10.0


def test_a_microsecond_more_is_no_disagreement() -> None:
    """benchmark_model tells no less apart."""
    assert settled([visit(0.020), visit(0.021)], CROWDED)
    assert not settled([visit(0.020), visit(0.022)], CROWDED)


@pytest.mark.parametrize(
    ("crowd", "words"),
    [
        ({"elsewhere": 0.5}, "other cores 50% busy"),
        ({"others": 0.2}, "others on its cores for 20% of their time"),
    ],
)
def test_company_cannot_vouch_for_itself(crowd: dict[str, float], words: str) -> None:
    there = [visit(10.0, **crowd), visit(10.0, **crowd)]  # type: ignore[arg-type]
    found = to_measurement(there, "s", CROWDED)
    assert found.reasons == (f"all visits that agree were in company: {words}",)
    assert settled([*there, visit(10.0)], CROWDED)
    assert settled(there, crowded=1.0)


def test_what_cannot_be_read_is_no_company() -> None:
    unread = [visit(10.0, others=None, elsewhere=None, throttled=None) for _ in range(2)]
    assert settled(unread, CROWDED)


@given(st.integers(1, 10**6), st.integers(1, 999), st.integers(1, 999))
def test_all_runs_may_have_taken_the_same(micros: int, first: int, second: int) -> None:
    ms = micros / 1e3
    one = Timing(1, ms, ms, ms, ms, ms, ms, 0.0, 1.0)
    same = [PhoneVisit(replace(one, count=count), Conditions(), None) for count in (first, second)]
    found = to_measurement(same, "s", CROWDED)
    assert found.latency_ms == found.min_ms == ms


def test_nothing_of_a_throttled_visit_is_believed() -> None:
    found = to_measurement([visit(9.0, throttled=True), visit(10.0), visit(10.0)], "s", CROWDED)
    assert (found.latency_ms, found.disturbed) == (10.0, False)
    found = to_measurement([visit(9.0, throttled=True)] * 2, "s", CROWDED)
    assert found.reasons == ("the CPU was throttled for heat",)


def test_the_flags_of_a_plan() -> None:
    plan = TimingPlan.from_budget(0.25)
    assert flags("n.tflite", plan, 2, 20.0).split() == [
        "--graph=n.tflite",
        "--num_threads=2",
        "--num_runs=6",
        "--min_secs=0.250",
        "--max_secs=20.000",
        "--warmup_runs=1",
        "--warmup_min_secs=0.300",
        "--use_xnnpack=true",
    ]
    paced = flags("n.tflite", TimingPlan.from_budget(0.25, 1 / 30), 1, 20.0)
    assert paced.endswith("--run_frequency=30")
