"""Levels and drift of sentinels, and what a condition has to say."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from lpnet.schemas.condition import LEVEL_READINGS, ConditionReport, drift_pct, level, limit_pct
from lpnet.schemas.sample import Sample

latencies = st.floats(1e-3, 1e3)


@given(st.lists(latencies, min_size=1), st.lists(latencies, min_size=1))
def test_a_level_is_final_once_its_readings_are_there(
    first: list[float], later: list[float]
) -> None:
    assert level(first[:LEVEL_READINGS]) == median(first[:LEVEL_READINGS])
    if len(first) >= LEVEL_READINGS:
        assert level([*first, *later]) == level(first)


def test_without_a_reading_there_is_no_level() -> None:
    assert level([]) is None
    assert level([2.0, 1.0]) == 1.5


def test_drift_is_signed_percent() -> None:
    assert drift_pct(1.03, 1.0) == pytest.approx(3.0)
    assert drift_pct(0.9, 1.0) == pytest.approx(-10.0)


@given(st.lists(latencies, max_size=9), st.floats(0.1, 50))
def test_a_limit_is_the_least_or_what_the_first_readings_scatter(
    first: list[float], least: float
) -> None:
    made = first[:LEVEL_READINGS]
    limit = limit_pct(first, least)
    scatter = 200 * (max(made) - min(made)) / median(made) if made else 0.0
    assert limit == pytest.approx(max(least, scatter))
    assert limit == limit_pct(made, least)


@pytest.mark.parametrize("state", ["paused", "broken"])
def test_a_target_that_is_not_ready_needs_a_reason(state: str) -> None:
    with pytest.raises(ValidationError, match=f"reason: required if the state is {state}"):
        ConditionReport.model_validate({"target": "t", "state": state})
    assert ConditionReport.model_validate({"target": "t", "state": "ready"}).reason is None


OP = {"ops": [{"type": "linear", "c_in": 3, "c_out": 4}]}


@pytest.mark.parametrize(
    ("said", "meant"), [(False, None), (None, None), ("memory", "memory"), ("arithmetic",) * 2]
)
def test_files_of_the_first_version_are_read(said: object, meant: str | None) -> None:
    sample = Sample.model_validate({"workload": OP, "latency_ms": 1.0, "sentinel": said})
    assert sample.sentinel == meant


@pytest.mark.parametrize("said", [True, "yes", 0])
def test_a_sentinel_says_which_it_is(said: object) -> None:
    with pytest.raises(ValidationError, match="sentinel"):
        Sample.model_validate({"workload": OP, "latency_ms": 1.0, "sentinel": said})
