"""The noise floor."""

from __future__ import annotations

import pytest

from lpnet_service.services.noise import noise_floor_pct


def workload(name: str, **sessions: list[float]) -> list[tuple[str, str, float]]:
    return [(name, session, ms) for session, many in sessions.items() for ms in many]


def test_it_is_the_median_difference_between_sessions() -> None:
    measured = (
        workload("a", s=[1.0], t=[1.02])
        + workload("b", s=[2.0], t=[1.9])
        + workload("c", s=[5.0], t=[5.0])
    )
    assert noise_floor_pct(measured) == pytest.approx(100 * 0.02 / 1.01)


def test_a_session_counts_by_its_median() -> None:
    steady = workload("a", s=[1.0, 1.0, 9.0], t=[1.0])
    assert noise_floor_pct(
        steady + workload("b", s=[1.0], t=[1.0]) + workload("c", s=[1.0], t=[1.0])
    ) == pytest.approx(0.0)


def test_of_three_sessions_all_pairs_count() -> None:
    many = [w for name in "abc" for w in workload(name, s=[1.0], t=[1.0], u=[1.1])]
    assert noise_floor_pct(many) == pytest.approx(100 * 2 / 3 * 0.1 / 1.05)


def test_it_is_unknown_below_three_repeated_workloads() -> None:
    two = workload("a", s=[1.0], t=[1.1]) + workload("b", s=[1.0], t=[1.1])
    assert noise_floor_pct([]) is None
    assert noise_floor_pct(two + workload("c", s=[1.0, 1.5])) is None
