"""The token bucket."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from lpnet_service.services.shared.rate_limits import RateLimiter

START = datetime(2026, 1, 31, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def test_a_burst_of_two_seconds_then_the_rate() -> None:
    limiter = RateLimiter()
    assert [limiter.acquire("a", 2.0, START) for _ in range(4)] == [0.0] * 4
    assert limiter.acquire("a", 2.0, START) == pytest.approx(0.5)
    assert limiter.acquire("a", 2.0, at(0.5)) == 0.0
    assert limiter.acquire("a", 2.0, at(0.5)) == pytest.approx(0.5)


def test_what_is_refused_costs_nothing() -> None:
    limiter = RateLimiter()
    assert limiter.acquire("a", 0.5, START) == 0.0
    waits = [limiter.acquire("a", 0.5, START) for _ in range(9)]
    assert waits == [pytest.approx(2.0)] * 9
    assert limiter.acquire("a", 0.5, at(2)) == 0.0


def test_each_key_has_its_own() -> None:
    limiter = RateLimiter()
    assert limiter.acquire("a", 0.1, START) == 0.0
    assert limiter.acquire("b", 0.1, START) == 0.0
    assert limiter.acquire("a", 0.1, START) > 0


def test_a_clock_that_goes_back_fills_nothing_and_locks_nobody_out() -> None:
    limiter = RateLimiter()
    assert limiter.acquire("a", 0.5, START) == 0.0
    assert limiter.acquire("a", 0.5, at(-3600)) == pytest.approx(2.0)
    assert limiter.acquire("a", 0.5, at(-3598)) == 0.0
