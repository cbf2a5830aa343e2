"""The noise floor."""

from __future__ import annotations

import pytest

from lpnet_service.services.shared.noise import floor_pct, spread


def test_it_is_the_median_difference_between_sessions() -> None:
    workloads = [[[1.0], [1.02]], [[2.0], [1.9]], [[5.0], [5.0]]]
    spreads = [value for sessions in workloads if (value := spread(sessions)) is not None]
    assert floor_pct(spreads) == pytest.approx(100 * 0.02 / 1.01)


def test_a_session_counts_by_its_median() -> None:
    assert spread([[1.0, 1.0, 9.0], [1.0]]) == pytest.approx(0.0)


def test_of_three_sessions_all_pairs_count() -> None:
    assert spread([[1.0], [1.0], [1.1]]) == pytest.approx(2 / 3 * 0.1 / 1.05)


def test_one_session_says_nothing() -> None:
    assert spread([[1.0, 1.5]]) is None
    assert spread([]) is None


def test_it_is_unknown_below_three_repeated_workloads() -> None:
    assert floor_pct([]) is None
    assert floor_pct([0.1, 0.1]) is None
    assert floor_pct([0.0, 0.0, 0.0]) == 0.0
