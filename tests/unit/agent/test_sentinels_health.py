"""The state machine of the sentinels: what any sequence of checks leads to."""

from __future__ import annotations

from statistics import median

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from lpnet.schemas.condition import LEVEL_READINGS
from lpnet.schemas.sample import Sentinel
from lpnet_agent.sentinels.health import (
    MAX_INCONCLUSIVE,
    SENTINELS,
    Check,
    Health,
    Policy,
    Reading,
    apply_check,
    is_conclusive,
    recheck_delay_s,
)

POLICY = Policy()
LEVELS: dict[Sentinel, float] = {"arithmetic": 0.7, "memory": 5.0}
SETTLED = Health(first_ms={name: (ms,) * LEVEL_READINGS for name, ms in LEVELS.items()})

# Percent from the level; None: not measured.
CALM = st.floats(-2.9, 2.9)
NEAR = st.floats(3.1, 24.9) | st.floats(-24.9, -3.1)
FAR = st.floats(25.1, 900) | st.floats(-90, -25.1)
ANY = st.none() | CALM | NEAR | FAR
PAIRS = st.tuples(ANY, ANY)


def check(arithmetic: float | None, memory: float | None, *, disturbed: bool = False) -> Check:
    drifts: dict[Sentinel, float | None] = {"arithmetic": arithmetic, "memory": memory}
    return {
        name: None if drift is None else Reading(LEVELS[name] * (1 + drift / 100), disturbed)
        for name, drift in drifts.items()
    }


def after(health: Health, *checks: Check, policy: Policy = POLICY) -> Health:
    for check in checks:
        health = apply_check(health, check, policy)
    return health


@given(st.lists(PAIRS, max_size=40))
def test_a_reason_is_there_exactly_while_it_is_not_ready(pairs: list[tuple[float, float]]) -> None:
    health = SETTLED
    for pair in pairs:
        before, health = health, apply_check(health, check(*pair), POLICY)
        assert (health.state == "ready") == (health.reason is None)
        assert health.first_ms == SETTLED.first_ms, "a level that is made stays"
        if before.state == "broken":
            assert health.state in ("broken", "ready")
        assert Health.model_validate_json(health.model_dump_json()) == health


@given(st.lists(PAIRS, max_size=30), st.tuples(CALM, CALM))
def test_a_good_check_makes_it_ready_from_anywhere(
    pairs: list[tuple[float, float]], calm: tuple[float, float]
) -> None:
    health = after(SETTLED, *(check(*pair) for pair in pairs), check(*calm))
    assert health == SETTLED


@given(st.lists(st.tuples(st.none() | CALM, st.none() | CALM), max_size=40))
def test_calm_or_disturbed_checks_are_no_drift(pairs: list[tuple[float, float]]) -> None:
    """They pause where several in a row prove nothing, and only then."""
    health, run = SETTLED, 0
    for pair in pairs:
        health = apply_check(health, check(*pair), POLICY)
        run = run + 1 if None in pair else 0
        assert health.state == ("paused" if run >= MAX_INCONCLUSIVE else "ready")
        assert not health.drifted


@given(st.sampled_from([(None, 0), (0, None), (None, None)]))
def test_who_gave_no_reading_is_named(pair: tuple[float | None, float | None]) -> None:
    health = after(SETTLED, *[check(*pair)] * MAX_INCONCLUSIVE)
    mute = [name for name, drift in zip(SENTINELS, pair, strict=True) if drift is None]
    assert f"reading of sentinel {' and '.join(mute)} in" in str(health.message)


def test_a_drift_that_cannot_be_checked_again_says_so() -> None:
    paused = after(SETTLED, check(9, 0), check(9, 0))
    assert paused.message == paused.reason
    blind = after(paused, *[check(None, 0)] * MAX_INCONCLUSIVE)
    assert (blind.state, blind.failed) == ("paused", 0)
    assert str(blind.message).startswith(
        f"{paused.reason}; re-checks are inconclusive: other work"
    )
    assert apply_check(blind, check(9, 0), POLICY).message == paused.reason
    assert apply_check(blind, check(0, 0), POLICY) == SETTLED


@given(NEAR, NEAR)
def test_a_drift_after_checks_that_proved_nothing_needs_two_readings_too(
    first: float, second: float
) -> None:
    blind = after(SETTLED, *[check(None, None)] * MAX_INCONCLUSIVE)
    once = apply_check(blind, check(first, 0), POLICY)
    assert (once.state, once.drifted, once.failed) == ("paused", False, 0)
    drifted = apply_check(once, check(second, 0), POLICY)
    assert (drifted.state, drifted.drifted, drifted.failed) == ("paused", True, 0)
    assert recheck_delay_s(drifted, POLICY) == POLICY.cool_s


@given(st.lists(PAIRS, max_size=30), st.lists(st.none() | CALM, min_size=1, max_size=9))
def test_what_is_disturbed_proves_nothing(
    pairs: list[tuple[float, float]], drifts: list[float | None]
) -> None:
    """Neither for the device nor against it: only the pace of re-checks moves."""
    before = after(SETTLED, *(check(*pair) for pair in pairs))
    assume(before.drifted or not before.unproven)
    now = after(before, *(check(None, drift) for drift in drifts[: MAX_INCONCLUSIVE - 1]))
    pace = {"waits": 0, "unproven": 0}
    assert now.model_copy(update=pace) == before.model_copy(update=pace)


@given(NEAR | FAR, st.none() | CALM, st.sampled_from([0, 1]))
def test_one_reading_is_not_enough(drift: float, other: float | None, index: int) -> None:
    pair = (drift, other) if index else (other, drift)
    health = apply_check(SETTLED, check(*pair), POLICY)
    assert (health.state, health.suspected) == ("ready", 1)


@given(NEAR | FAR, NEAR)
def test_a_drift_that_is_confirmed_pauses(first: float, second: float) -> None:
    health = after(SETTLED, check(0, first), check(0, second))
    assert health.state == "paused"
    assert health.reason is not None
    assert "sentinel memory" in health.reason
    assert ("slower" in health.reason) == (second > 0)


@given(st.tuples(NEAR | FAR, FAR, FAR))
def test_a_great_drift_seen_three_times_is_broken_at_once(drifts: tuple[float, ...]) -> None:
    health = SETTLED
    for drift in drifts[:2]:
        health = apply_check(health, check(drift, 0), POLICY)
        assert health.state == "ready"
    assert apply_check(health, check(drifts[2], 0), POLICY).state == "broken"


@given(st.tuples(FAR, FAR, NEAR))
def test_a_great_drift_that_shrinks_only_pauses(drifts: tuple[float, ...]) -> None:
    assert after(SETTLED, *(check(drift, 0) for drift in drifts)).state == "paused"


@given(st.integers(1, 9), st.lists(st.none() | NEAR | FAR, max_size=40))
def test_it_is_broken_after_so_many_failed_checks(limit: int, drifts: list[float | None]) -> None:
    policy = Policy(broken_after=limit)
    paused = after(SETTLED, check(9, 0), check(9, 0))
    health = after(paused, *(check(drift, 0) for drift in drifts), policy=policy)
    failed = sum(drift is not None for drift in drifts)
    assert health.failed == failed
    assert health.waits == len(drifts)
    assert health.state == ("broken" if failed >= limit else "paused")


@given(st.lists(st.tuples(st.none() | CALM, st.none() | CALM), max_size=20))
def test_levels_are_the_medians_of_the_first_undisturbed(
    pairs: list[tuple[float, float]],
) -> None:
    checks = [check(*pair) for pair in pairs]
    health = after(Health(), *checks)
    assert not health.drifted
    for name in SENTINELS:
        readings_ms = [reading.ms for c in checks if (reading := c[name]) is not None]
        enough = len(readings_ms) >= LEVEL_READINGS
        assert health.level_ms(name) == (median(readings_ms[:LEVEL_READINGS]) if enough else None)
    assert health.settled == all(
        sum(c[name] is not None for c in checks) >= LEVEL_READINGS for name in SENTINELS
    )


@given(st.lists(st.tuples(FAR, FAR), max_size=LEVEL_READINGS))
def test_readings_that_make_a_level_are_not_judged(pairs: list[tuple[float, float]]) -> None:
    assert after(Health(), *(check(*pair) for pair in pairs)).state == "ready"


@given(st.lists(PAIRS, max_size=60))
def test_the_pace_doubles_and_is_bounded(pairs: list[tuple[float, float]]) -> None:
    health = SETTLED
    for pair in pairs:
        before, health = health, apply_check(health, check(*pair), POLICY)
        if health.state == "paused" and not health.drifted:
            assert recheck_delay_s(health, POLICY) == POLICY.cool_s
        elif health.state == "paused":
            begins = not before.drifted
            expected = POLICY.cool_s if begins else 2 * recheck_delay_s(before, POLICY)
            assert recheck_delay_s(health, POLICY) == min(POLICY.max_cool_s, expected)
        elif health.state == "broken":
            assert recheck_delay_s(health, POLICY) == POLICY.max_cool_s


@pytest.mark.parametrize(
    ("pair", "proven"), [((0, 0), True), ((None, 0), False), ((0, None), False), ((9, 9), True)]
)
def test_a_check_proves_something_if_nothing_is_missing(
    pair: tuple[float | None, float | None], proven: bool
) -> None:
    assert is_conclusive(SETTLED, check(*pair), POLICY) is proven


@given(CALM, CALM)
def test_a_disturbed_reading_within_the_limit_shows_that_the_device_is_not_slower(
    first: float, second: float
) -> None:
    readings = check(first, second, disturbed=True)
    assert is_conclusive(SETTLED, readings, POLICY)
    drifted = after(SETTLED, check(9, 0), check(9, 0))
    assert apply_check(drifted, readings, POLICY) == SETTLED


@given((NEAR | FAR).filter(lambda drift: drift < 0))
def test_a_disturbed_reading_that_is_faster_than_the_limit_is_a_drift(drift: float) -> None:
    readings = check(0, drift, disturbed=True)
    assert is_conclusive(SETTLED, readings, POLICY)
    assert after(SETTLED, readings, readings, readings).drifted


@given((NEAR | FAR).filter(lambda drift: drift > 0))
def test_a_disturbed_reading_that_is_slower_than_the_limit_proves_nothing(drift: float) -> None:
    readings = check(0, drift, disturbed=True)
    assert not is_conclusive(SETTLED, readings, POLICY)
    health = after(SETTLED, *[readings] * MAX_INCONCLUSIVE)
    assert (health.state, health.drifted, health.suspected) == ("paused", False, 0)
    assert "reading of sentinel memory in" in str(health.message)


@given(ANY, ANY)
def test_a_disturbed_reading_makes_no_level(first: float | None, second: float | None) -> None:
    readings = check(first, second, disturbed=True)
    assert not is_conclusive(Health(), readings, POLICY)
    assert apply_check(Health(), readings, POLICY).first_ms == {}


def test_without_a_level_a_disturbed_reading_pauses_nothing_but_a_missing_one_does() -> None:
    for drift in (0, 50):
        vague = check(drift, drift, disturbed=True)
        assert after(Health(), *[vague] * 3 * MAX_INCONCLUSIVE) == Health()
    assert after(Health(), *[check(0, None)] * MAX_INCONCLUSIVE).state == "paused"


@given(st.floats(2.1, 20), st.floats(1.05, 3))
def test_the_limit_knows_how_much_a_sentinel_scatters(range_pct: float, beyond: float) -> None:
    ms = LEVELS["memory"]
    low, high = ms * (1 - range_pct / 200), ms * (1 + range_pct / 200)
    noisy = Health(first_ms={**SETTLED.first_ms, "memory": (low, ms, ms, high, ms)})
    limit = 2 * range_pct
    calm = check(0, 0.95 * limit)
    assert after(noisy, calm, calm) == noisy
    gone = check(0, beyond * limit)
    drifted = after(noisy, gone, gone, gone)
    assert drifted.drifted
    assert f"limit {limit:.1f}%" in str(drifted.reason)
    assert (after(SETTLED, calm, calm, calm).state == "ready") == (0.95 * limit <= 3)


def test_far_is_further_where_a_sentinel_scatters() -> None:
    ms = LEVELS["memory"]
    noisy = Health(first_ms={**SETTLED.first_ms, "memory": (0.9 * ms, ms, ms, 1.1 * ms, ms)})
    for drift, state in ((50, "paused"), (70, "broken")):
        readings = check(0, drift)
        assert after(noisy, *[readings] * (3 if state == "broken" else 2)).state == state
        assert after(SETTLED, readings, readings, readings).state == "broken"


def test_the_reason_is_for_people() -> None:
    levels: dict[Sentinel, tuple[float, ...]] = {"arithmetic": (0.7,) * 5, "memory": (1.31,) * 5}
    readings: Check = {"arithmetic": Reading(0.7), "memory": Reading(1.404)}
    health = after(Health(first_ms=levels), readings, readings)
    assert health.reason == (
        "sentinel memory is 7.2% slower than the level of this epoch (1.31 ms, now 1.40 ms, "
        "limit 3.0%): cooling down"
    )
