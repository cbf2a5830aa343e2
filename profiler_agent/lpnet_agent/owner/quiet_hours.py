"""Quiet hours: times of the local day in which nothing is measured.

They follow the wall clock. Hours that it skips do not count; hours that it repeats count twice.
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

    Hours whose end is before their start go on past midnight. They belong to the day on which
    they begin.
    """

    text: str
    days: frozenset[int]
    start: int
    end: int

    def end_of(self, local: datetime) -> datetime | None:
        """When the hours that contain this local time (without a zone) end; None outside them."""
        midnight = local.replace(hour=0, minute=0, second=0, microsecond=0, fold=0)
        for day in (midnight, midnight - timedelta(days=1)):
            end_min = self.end if self.end > self.start else self.end + _DAY_MIN
            begins = day + timedelta(minutes=self.start)
            ends = day + timedelta(minutes=end_min)
            if day.weekday() in self.days and begins <= local.replace(fold=0) < ends:
                return ends
        return None


def parse_quiet_hours(text: str) -> tuple[QuietHours, ...]:
    """Read for example "22:00-07:00, sat-sun 09:00-18:00". Raises ValueError naming the entry."""
    entries = [entry.strip() for entry in text.split(",")]
    return tuple(_parse_entry(entry) for entry in entries if entry)


def quiet_until(hours: Sequence[QuietHours], local: datetime) -> datetime | None:
    """The local time at which quiet hours end; None if they do not include `local`.

    Hours that follow one another count as one. Looks at most one week ahead.
    """
    end = None
    limit = local.replace(fold=0) + timedelta(days=7)
    current = local
    while current < limit:
        ends = [end_of for entry in hours if (end_of := entry.end_of(current)) is not None]
        if not ends:
            break
        end = current = max(ends)
    return end


def _parse_entry(text: str) -> QuietHours:
    match = _FORM.fullmatch(text.lower())
    if match is None:
        raise ValueError(f"{text!r}: write it as 22:00-07:00 or mon-fri 09:00-18:00")
    start, end = (_minutes(match[name], text) for name in ("start", "end"))
    if start in (end, _DAY_MIN):
        raise ValueError(f"{text!r} contains no time; write a whole day as 00:00-24:00")
    return QuietHours(text, _days(match["first"], match["last"], text), start, end)


def _minutes(clock: str, text: str) -> int:
    hour, minute = map(int, clock.split(":"))
    if minute > 59 or hour * 60 + minute > _DAY_MIN:
        raise ValueError(f"{text!r}: {clock} is not a time of day")
    return hour * 60 + minute


def _days(first: str | None, last: str | None, text: str) -> frozenset[int]:
    if first is None:
        return frozenset(range(7))
    for name in (first, last):
        if name is not None and name not in _DAYS:
            raise ValueError(f"{text!r}: {name} is not a day; days are {', '.join(_DAYS)}")
    begin = _DAYS.index(first)
    span = 0 if last is None else (_DAYS.index(last) - begin) % 7
    return frozenset((begin + i) % 7 for i in range(span + 1))
