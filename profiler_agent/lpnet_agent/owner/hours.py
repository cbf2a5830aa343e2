"""Quiet hours: times of the local day in which nothing is measured.

They are those that the wall clock shows: where clocks go forward, hours that do not come are not
kept; where they go back, hours that come twice are kept twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY_MIN = 24 * 60
_FORM = re.compile(
    r"(?:(?P<first>[a-z]{3})(?:-(?P<last>[a-z]{3}))?\s+)?"
    r"(?P<start>\d{1,2}:\d{2})\s*-\s*(?P<end>\d{1,2}:\d{2})"
)


@dataclass(frozen=True)
class QuietHours:
    """From `start` to `end`, minutes after midnight, on `days` (0 is Monday).

    With an end before the start they go on past midnight, and belong to the day they begin on.
    """

    text: str
    days: frozenset[int]
    start: int
    end: int

    def end_of(self, wall: datetime) -> datetime | None:
        """When the hours that hold at this local time (without a zone) end; None: none do."""
        midnight = wall.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        for day in (midnight, midnight - timedelta(days=1)):
            end_min = self.end if self.end > self.start else self.end + _DAY_MIN
            begins = day + timedelta(minutes=self.start)
            ends = day + timedelta(minutes=end_min)
            if day.weekday() in self.days and begins <= wall.replace(fold=0) < ends:
                return ends
        return None


def parse(text: str) -> tuple[QuietHours, ...]:
    """For example "22:00-07:00, sat-sun 09:00-18:00". Raises ValueError with what is wrong."""
    entries = [entry.strip() for entry in text.split(",")]
    return tuple(_parse_one(entry) for entry in entries if entry)


def quiet_until(hours: Sequence[QuietHours], wall: datetime) -> datetime | None:
    """The local time at which it is not quiet any more, None where it is not quiet now.

    Hours that follow one another count as one; a week is the longest that is looked ahead.
    """
    end = None
    limit = wall.replace(fold=0) + timedelta(days=7)
    at = wall
    while at < limit:
        ends = [found for entry in hours if (found := entry.end_of(at)) is not None]
        if not ends:
            break
        end = at = max(ends)
    return end


def _parse_one(text: str) -> QuietHours:
    found = _FORM.fullmatch(text.lower())
    if found is None:
        raise ValueError(f"{text!r}: write it as 22:00-07:00 or mon-fri 09:00-18:00")
    start, end = (_minutes(found[name], text) for name in ("start", "end"))
    if start in (end, _DAY_MIN):
        raise ValueError(f"{text!r}: no time lies in it; a whole day is 00:00-24:00")
    return QuietHours(text, _days(found["first"], found["last"], text), start, end)


def _minutes(clock: str, text: str) -> int:
    hour, minute = map(int, clock.split(":"))
    if minute > 59 or hour * 60 + minute > _DAY_MIN:
        raise ValueError(f"{text!r}: {clock} is no time of a day")
    return hour * 60 + minute


def _days(first: str | None, last: str | None, text: str) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    for name in (first, last):
        if name is not None and name not in _DAYS:
            raise ValueError(f"{text!r}: {name} is no day; days are {', '.join(_DAYS)}")
    begin = _DAYS.index(first)
    span = 0 if last is None else (_DAYS.index(last) - begin) % 7
    return frozenset((begin + i) % 7 for i in range(span + 1))
