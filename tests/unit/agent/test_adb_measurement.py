"""The measurement from visits to a network on a phone."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpnet.schemas.sample import Conditions
from lpnet_agent.devices.adb.measurement import select_visits, to_measurement
from lpnet_agent.devices.adb.output import BenchmarkTiming
from lpnet_agent.devices.adb.visit import PhoneVisit, flags
from lpnet_agent.measure.plan import TimingPlan

CROWDED = 0.3


def is_settled(visits: list[PhoneVisit], crowded: float = CROWDED) -> bool:
    return not select_visits(visits, crowded).reasons


def visit(
    median: float,
    *,
    count: int = 20,
    std: float = 0.1,
    other_share: float | None = 0.0,
    other_cores: float | None = 0.1,
    throttled: bool | None = False,
    celsius: float = 40.0,
) -> PhoneVisit:
    timing = BenchmarkTiming(
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
        elsewhere_share=other_cores, throttled=throttled, temperature_c=celsius, others_s=0.01
    )
    return PhoneVisit(timing, conditions, other_share)


def test_two_visits_that_agree_settle_it() -> None:
    visits = [visit(10.0, count=30), visit(10.15, count=10, celsius=44.0)]
    assert not is_settled(visits[:1])
    assert is_settled(visits)
    measurement = to_measurement(visits, "s", CROWDED)
    assert measurement.latency_ms == pytest.approx((30 * 10.0 + 10 * 10.15) / 40)
    assert (measurement.count, measurement.min_ms, measurement.disturbed) == (40, 9.0, False)
    assert (measurement.p10_ms, measurement.ci_low_ms, measurement.converged) == (None, None, None)
    assert measurement.conditions is not None
    assert measurement.conditions.visits_ms == (10.0, 10.15)
    assert (measurement.conditions.runs, measurement.conditions.temperature_c) == (40, 44.0)
    assert measurement.conditions.others_s == pytest.approx(0.02)


def test_the_spread_is_that_of_all_runs() -> None:
    measurement = to_measurement([visit(10.0, std=0.0), visit(10.1, std=0.0)], "s", CROWDED)
    assert measurement.std_ms == pytest.approx(0.0505, rel=1e-6)


def test_the_fastest_visits_are_selected() -> None:
    visits = [visit(12.0), visit(10.0), visit(10.1)]
    measurement = to_measurement(visits, "s", CROWDED)
    assert not measurement.disturbed
    assert measurement.latency_ms == pytest.approx(10.05)
    assert measurement.conditions is not None
    assert measurement.conditions.plain_ms == pytest.approx(10.7)


def test_disagreement_is_a_reason() -> None:
    measurement = to_measurement([visit(10.0), visit(11.0)], "s", CROWDED)
    assert measurement.disturbed
    assert measurement.reasons == ("its visits disagree: 10, 11 ms",)
    assert measurement.latency_ms == 10.0


def test_a_microsecond_more_is_no_disagreement() -> None:
    """That is the resolution of benchmark_model."""
    assert is_settled([visit(0.020), visit(0.021)])
    assert not is_settled([visit(0.020), visit(0.022)])


@pytest.mark.parametrize(
    ("load", "message"),
    [
        ({"other_cores": 0.5}, "other cores 50% busy"),
        ({"other_share": 0.2}, "other work on its cores for 20% of their time"),
    ],
)
def test_visits_with_other_load_need_one_without(load: dict[str, float], message: str) -> None:
    loaded = [visit(10.0, **load), visit(10.0, **load)]  # type: ignore[arg-type]
    measurement = to_measurement(loaded, "s", CROWDED)
    assert measurement.reasons == (f"all visits that agree had other load: {message}",)
    assert is_settled([*loaded, visit(10.0)])
    assert is_settled(loaded, crowded=1.0)


def test_unknown_conditions_are_not_other_load() -> None:
    unread = [visit(10.0, other_share=None, other_cores=None, throttled=None) for _ in range(2)]
    assert is_settled(unread)


@given(st.integers(1, 10**6), st.integers(1, 999), st.integers(1, 999))
def test_all_runs_may_have_taken_the_same(micros: int, first: int, second: int) -> None:
    ms = micros / 1e3
    timing = BenchmarkTiming(1, ms, ms, ms, ms, ms, ms, 0.0, 1.0)
    same = [
        PhoneVisit(replace(timing, count=count), Conditions(), None) for count in (first, second)
    ]
    measurement = to_measurement(same, "s", CROWDED)
    assert measurement.latency_ms == measurement.min_ms == ms


def test_throttled_visits_are_not_used() -> None:
    measurement = to_measurement(
        [visit(9.0, throttled=True), visit(10.0), visit(10.0)], "s", CROWDED
    )
    assert (measurement.latency_ms, measurement.disturbed) == (10.0, False)
    measurement = to_measurement([visit(9.0, throttled=True)] * 2, "s", CROWDED)
    assert measurement.reasons == ("the CPU was throttled for heat",)


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
