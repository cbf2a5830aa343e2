"""Seconds per workload, from jobs that mix blocks and networks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpnet_service.services.reading.durations import FinishedJob, paces

seconds_each = st.floats(0.01, 60)
counts = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 3)), min_size=2, max_size=30)


@given(counts, seconds_each, seconds_each)
def test_two_kinds_are_told_apart(
    mixed: list[tuple[int, int]], block_s: float, network_s: float
) -> None:
    """The figures come out exactly, or not at all where the jobs do not tell."""
    jobs = [FinishedJob(b, n, b * block_s + n * network_s) for b, n in mixed]
    result = paces(jobs)
    assert result["block"].workloads == sum(b for b, _ in mixed)
    assert result["network"].workloads == sum(n for _, n in mixed)
    for kind, expected in (("block", block_s), ("network", network_s)):
        seconds = result[kind].seconds  # type: ignore[index]
        assert seconds is None or seconds == pytest.approx(expected, rel=1e-6)
    if any(b * n2 != b2 * n for b, n in mixed for b2, n2 in mixed):
        assert result["block"].seconds is not None
        assert result["network"].seconds is not None


def test_a_kind_that_was_in_no_job_has_no_figure() -> None:
    result = paces([FinishedJob(12, 0, 6.0), FinishedJob(6, 0, 3.0)])
    assert result["block"].seconds == pytest.approx(0.5)
    assert (result["network"].seconds, result["network"].workloads) == (None, 0)
    assert paces([])["block"].seconds is None


def test_jobs_that_do_not_tell_the_kinds_apart_give_no_figure() -> None:
    result = paces([FinishedJob(8, 1, 6.0), FinishedJob(8, 1, 6.2)])
    assert (result["block"].seconds, result["network"].seconds) == (None, None)


def test_less_than_no_time_is_unknown() -> None:
    result = paces([FinishedJob(10, 0, 10.0), FinishedJob(10, 1, 5.0), FinishedJob(10, 2, 1.0)])
    assert result["network"].seconds is None
