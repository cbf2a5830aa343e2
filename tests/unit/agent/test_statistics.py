"""The interval of the median holds what it promises, for runs that depend on each other too."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from lpnet_agent.measure.statistics import (
    MIN_REPEATS,
    autocorrelation_time,
    bootstrap_interval,
    precision,
    summarise,
)

Series = NDArray[np.float64]

positive = st.lists(st.floats(1e-4, 1e4), min_size=1, max_size=60)


def autoregressive(rng: np.random.Generator, n: int, rho: float) -> Series:
    """A stationary AR(1) series with median 10 and deviation 1."""
    noise = rng.standard_normal(n) * math.sqrt(1 - rho**2)
    values = np.empty(n)
    values[0] = rng.standard_normal()
    for i in range(1, n):
        values[i] = rho * values[i - 1] + noise[i]
    return 10 + values


def covered(rho: float, n: int, trials: int = 400) -> float:
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(trials):
        low, high = bootstrap_interval([autoregressive(rng, n, rho)])
        hits += low <= 10 <= high
    return hits / trials


def test_independent_runs_are_covered_as_promised() -> None:
    assert 0.91 <= covered(rho=0.0, n=101) <= 0.985


@pytest.mark.parametrize("rho", [0.5, 0.8])
def test_correlated_runs_are_covered_nearly_as_promised(rho: float) -> None:
    assert 0.86 <= covered(rho, n=201) <= 0.98


def test_ignoring_correlation_would_not_cover() -> None:
    rng = np.random.default_rng(7)
    hits = 0
    for _ in range(400):
        values = np.sort(autoregressive(rng, 201, 0.8))
        hits += values[86] <= 10 <= values[114]  # the ranks of 201 independent runs
    assert hits / 400 < 0.7


def test_autocorrelation_time_is_one_for_independent_runs_and_grows() -> None:
    rng = np.random.default_rng(1)
    times = [autocorrelation_time(autoregressive(rng, 4000, rho)) for rho in (0.0, 0.5, 0.9)]
    assert 1.0 <= times[0] < 1.3
    # Of the signs of an AR(1) series: 1 + 2 sum of (2/pi) asin(rho^k).
    for time, rho in zip(times[1:], (0.5, 0.9), strict=True):
        expected = 1 + 2 * sum(2 / math.pi * math.asin(rho**k) for k in range(1, 200))
        assert time == pytest.approx(expected, rel=0.3)


@given(positive)
def test_a_summary_is_in_order(values: list[float]) -> None:
    summary = summarise([np.array(values)])
    assert summary.count == len(values)
    assert (
        min(values)
        == summary.minimum
        <= summary.p10
        <= summary.median
        <= summary.p90
        <= max(values)
    )
    assert summary.minimum <= summary.ci_low <= summary.median <= summary.ci_high <= max(values)
    assert summary.std >= 0


@given(
    st.lists(st.floats(1e-4, 1e4), min_size=MIN_REPEATS, max_size=60),
    st.sampled_from([2.0**-7, 0.5, 64.0]),
)
def test_a_unit_changes_nothing(values: list[float], factor: float) -> None:
    one, other = summarise([np.array(values)]), summarise([np.array(values) * factor])
    assert other.median == pytest.approx(one.median * factor)
    assert other.precision == pytest.approx(one.precision)


def test_equal_runs_are_exact() -> None:
    summary = summarise([np.full(20, 3.5)])
    assert (summary.median, summary.ci_low, summary.ci_high, summary.std) == (3.5, 3.5, 3.5, 0.0)
    assert summary.precision == 0.0


def test_too_few_runs_are_never_precise() -> None:
    assert summarise([np.full(MIN_REPEATS - 1, 3.5)]).precision == math.inf


def test_outliers_move_no_median() -> None:
    values = np.full(101, 2.0)
    values[::10] = 50.0
    assert summarise([values]).median == 2.0


def test_nothing_is_no_sample() -> None:
    with pytest.raises(ValueError, match="no repeats"):
        summarise([np.array([])])


def test_parts_are_resampled_each_on_its_own() -> None:
    """Two visits at different levels: the interval lies between them and holds the median."""
    rng = np.random.default_rng(3)
    low, high = rng.normal(10, 0.1, 60), rng.normal(11, 0.1, 61)
    summary = summarise([low, high])
    assert summary.count == 121
    assert 9.9 < summary.ci_low <= summary.median <= summary.ci_high < 11.1
    assert bootstrap_interval([low, high]) == bootstrap_interval([low, high])


@pytest.mark.parametrize("rho", [0.0, 0.8])
def test_the_quick_precision_is_that_of_the_bootstrap(rho: float) -> None:
    rng = np.random.default_rng(5)
    series = [autoregressive(rng, 201, rho) for _ in range(60)]
    quick = float(np.median([precision(one) for one in series]))
    slow = float(np.median([summarise([one]).precision for one in series]))
    assert quick == pytest.approx(slow, rel=0.35)


def test_too_few_runs_have_no_precision() -> None:
    assert precision(np.full(MIN_REPEATS - 1, 3.5)) == math.inf
