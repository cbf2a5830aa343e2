"""The noise floor, and its interval."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import median

import numpy as np
import pytest

from lpnet.noise import Reading, median_interval, noise_floor, spread

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def session(minute: float, *latencies_ms: float) -> list[Reading]:
    return [(START + timedelta(minutes=minute), ms) for ms in latencies_ms]


def test_a_spread_is_the_difference_relative_to_the_mean() -> None:
    assert spread([session(0, 1.0), session(5, 1.02)]) == pytest.approx(0.02 / 1.01)
    assert spread([session(5, 1.02), session(0, 1.0)]) == pytest.approx(0.02 / 1.01)


def test_a_session_counts_by_its_median() -> None:
    assert spread([session(0, 1.0, 1.0, 9.0), session(5, 1.0)]) == pytest.approx(0.0)


def test_the_pairs_of_three_sessions_count_if_they_are_apart() -> None:
    three = [session(0, 1.0), session(5, 1.0), session(9, 1.1)]
    assert spread(three) == pytest.approx(2 / 3 * 0.1 / 1.05)
    three = [session(0, 1.0), session(0.9, 5.0), session(1.5, 1.1)]
    assert spread(three) == pytest.approx(0.1 / 1.05)


def test_a_single_session_or_sessions_without_a_pause_have_no_spread() -> None:
    assert spread([session(0, 1.0, 1.5)]) is None
    assert spread([]) is None
    assert spread([session(0, 1.0), session(0.9, 2.0)]) is None
    assert spread([session(0, 1.0), session(1, 2.0)]) is not None


def test_it_is_unknown_for_fewer_than_ten_repeated_workloads() -> None:
    for count in (0, 3, 9):
        floor = noise_floor([0.1] * count)
        assert (floor.pct, floor.low_pct, floor.high_pct) == (None, None, None)
        assert floor.reason == (
            f"{count} of 10 workloads were measured again in another session, at least a minute "
            "later"
        )
    floor = noise_floor([0.0] * 10)
    assert (floor.workloads, floor.pct, floor.low_pct, floor.high_pct) == (10, 0.0, 0.0, 0.0)
    assert floor.reason is None


def test_it_is_the_median_spread_in_percent_with_an_interval() -> None:
    spreads = [0.001 * n for n in range(1, 12)]
    floor = noise_floor(reversed(spreads))
    assert floor.pct == pytest.approx(0.6)
    assert floor.low_pct == pytest.approx(100 * median_interval(spreads)[0])
    assert floor.high_pct == pytest.approx(100 * median_interval(spreads)[1])


@pytest.mark.parametrize("count", [11, 40, 101])
def test_the_interval_is_that_of_a_bootstrap(count: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.lognormal(0, 1, count)
    resamples = rng.choice(values, (40_000, count))
    medians = np.median(resamples, axis=1)
    low, high = median_interval(list(values))
    ranks = np.sort(values).searchsorted([low, *np.quantile(medians, (0.025, 0.975)), high])
    # The ends are values; those of the bootstrap may lie between two.
    assert abs(ranks[0] - ranks[1]) <= 1
    assert abs(ranks[2] - ranks[3]) <= 1


def test_the_interval_covers_the_true_median_about_as_often_as_it_claims() -> None:
    rng = np.random.default_rng(0)
    intervals = [median_interval(list(rng.exponential(1, 16))) for _ in range(600)]
    covered = np.mean([low <= np.log(2) <= high for low, high in intervals])
    assert 0.91 < covered < 0.99


def test_many_values_have_a_narrow_interval() -> None:
    values = [n / 5000 for n in range(5001)]
    low, high = median_interval(values)
    assert low < median(values) < high
    assert high - low == pytest.approx(2 * 1.96 * 0.5 / 5001**0.5, rel=0.02)
