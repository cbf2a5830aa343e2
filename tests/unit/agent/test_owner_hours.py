"""Quiet hours: what is typed, what holds when, across midnight and where clocks change."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lpnet_agent.owner.pause import format_time, next_time_of_day
from lpnet_agent.owner.quiet_hours import parse_quiet_hours, quiet_until
from lpnet_agent.owner.rules import QuietHoursRule

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
minutes = st.integers(0, 24 * 60 - 1)
moments = st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1))


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"


@st.composite
def entries(draw: st.DrawFn) -> str:
    start, end = draw(st.tuples(minutes, minutes).filter(lambda pair: pair[0] != pair[1]))
    days = draw(st.sampled_from(["", "mon-fri ", "sat-sun ", "fri-mon ", "wed "]))
    return f"{days}{_clock(start)}-{_clock(end)}"


def _quiet_by_minutes(text: str, wall: datetime) -> bool:
    """The same, said in another way: walk back from now, minute by minute, to a beginning."""
    days, _, times = text.rpartition(" ")
    start, end = ((int(t[:2]) * 60 + int(t[3:])) for t in times.split("-"))
    first, _, last = days.partition("-")
    named = list(_DAYS) if not days else [first]
    while days and last and named[-1] != last:
        named.append(_DAYS[(_DAYS.index(named[-1]) + 1) % 7])
    length = (end - start) % (24 * 60)
    at = wall.replace(second=0, microsecond=0)
    for back in range(length):
        then = at - timedelta(minutes=back)
        if then.hour * 60 + then.minute == start:
            return _DAYS[then.weekday()] in named
    return False


@given(entries(), moments)
def test_it_is_quiet_from_a_beginning_to_its_end(text: str, wall: datetime) -> None:
    assert (quiet_until(parse_quiet_hours(text), wall) is not None) == _quiet_by_minutes(
        text, wall
    )


@given(st.lists(entries(), min_size=1, max_size=4), moments)
def test_the_end_is_the_first_moment_that_is_not_quiet(texts: list[str], wall: datetime) -> None:
    hours = parse_quiet_hours(", ".join(texts))
    end = quiet_until(hours, wall)
    if end is None:
        return
    assert end > wall
    assert quiet_until(hours, end - timedelta(microseconds=1)) is not None
    if end < wall + timedelta(days=7):
        assert quiet_until(hours, end) is None


@given(st.lists(entries(), max_size=4))
def test_spaces_and_case_do_not_matter(texts: list[str]) -> None:
    typed = " ,  ".join(text.upper() for text in texts) + ","
    assert [(h.days, h.start, h.end) for h in parse_quiet_hours(typed)] == [
        (h.days, h.start, h.end) for text in texts for h in parse_quiet_hours(text)
    ]


def test_hours_past_midnight_belong_to_the_day_they_begin_on() -> None:
    hours = parse_quiet_hours("fri 22:00-07:00")
    assert quiet_until(hours, datetime(2026, 11, 20, 23)) == datetime(2026, 11, 21, 7)
    assert quiet_until(hours, datetime(2026, 11, 21, 6, 59)) == datetime(2026, 11, 21, 7)
    assert quiet_until(hours, datetime(2026, 11, 20, 6)) is None
    assert quiet_until(hours, datetime(2026, 11, 21, 23)) is None


def test_hours_that_meet_are_one() -> None:
    hours = parse_quiet_hours("22:00-24:00, 00:00-07:00, 06:30-08:00")
    assert quiet_until(hours, datetime(2026, 11, 20, 23)) == datetime(2026, 11, 21, 8)
    assert quiet_until(parse_quiet_hours("00:00-24:00"), datetime(2026, 11, 20, 9)) is not None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("22-7", "write it as"),
        ("25:00-07:00", "not a time of day"),
        ("22:60-07:00", "not a time of day"),
        ("24:30-07:00", "not a time of day"),
        ("24:00-07:00", "whole day as"),
        ("07:00-07:00", "whole day as"),
        ("mom 07:00-08:00", "mom is not a day"),
        ("mon-fry 07:00-08:00", "fry is not a day"),
        ("07:00-08:00; 09:00-10:00", "write it as"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_words(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_quiet_hours(text)


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def _quiet_s(text: str, begin: datetime, span: timedelta) -> float:
    """Seconds of a stretch of real time that are quiet, as a rule that is asked sees them."""
    rule = QuietHoursRule(parse_quiet_hours(text))
    step = timedelta(minutes=1)
    asked = (begin + i * step for i in range(int(span / step)))
    return sum(step.total_seconds() for now in asked if rule.refusal(now) is not None)


@pytest.mark.usefixtures("berlin")
def test_hours_follow_the_wall_clock_where_clocks_change() -> None:
    day = timedelta(days=1)
    usual = datetime(2026, 6, 1).astimezone()
    spring = datetime(2026, 3, 28, 20).astimezone()  # 02:00 becomes 03:00 on the 29th
    autumn = datetime(2026, 10, 24, 20).astimezone()  # 03:00 becomes 02:00 on the 25th
    assert _quiet_s("22:00-07:00", usual, day) == 9 * 3600
    assert _quiet_s("22:00-07:00", spring, day) == 8 * 3600
    assert _quiet_s("22:00-07:00", autumn, day) == 10 * 3600
    assert _quiet_s("02:00-03:00", spring, day) == 0
    assert _quiet_s("02:00-03:00", autumn, day) == 2 * 3600


@pytest.mark.usefixtures("berlin")
def test_a_refusal_lasts_no_longer_than_the_hours() -> None:
    rule = QuietHoursRule(parse_quiet_hours("22:00-07:00"))
    now = datetime(2026, 10, 25, 6, 59, 40).astimezone()
    refusal = rule.refusal(now)
    assert refusal is not None
    assert refusal.reason == "quiet hours until 07:00"
    assert refusal.retry_s == 20
    assert rule.refusal(now + timedelta(seconds=refusal.retry_s)) is None


@pytest.mark.usefixtures("berlin")
@given(minute=minutes, moment=moments)
def test_until_is_the_next_time_the_clock_shows_it(minute: int, moment: datetime) -> None:
    now = moment.astimezone()
    found = next_time_of_day(_clock(minute), now)
    assert timedelta() < found - now <= timedelta(hours=25)
    shown = format_time(found, now)
    # A time that the clock leaves out as it goes forward is the time that it shows instead.
    assert shown.endswith(_clock(minute)) or shown.endswith(_clock(minute + 60))
