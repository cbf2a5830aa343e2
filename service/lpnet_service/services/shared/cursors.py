"""Positions in a listing, as text that a client sends back to get the next page."""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Generic, TypeVar

from lpnet_service.errors import BadRequest

Row = TypeVar("Row")
_MAX_NUMBER = 2**62
_MAX_LENGTH = 100


@dataclass(frozen=True)
class PageCursor:
    """The position behind (with `back`: before) a row, given by its sorted value and its tie.

    `tie` orders rows of the same value: a row number or an id.
    """

    value: Any
    tie: Any
    back: bool = False


@dataclass(frozen=True)
class PageRows(Generic[Row]):
    """The rows of a page in listing order, and the cursors of the pages after and before it."""

    rows: Sequence[Row]
    next: str | None
    previous: str | None


def parse_cursor(
    after: str | None, sort: str, parse_value: Callable[[Any], Any], tie: type
) -> PageCursor | None:
    """Read the `after` of a request; None for the first page.

    `parse_value` checks and converts the sorted value. Raises BadRequest for a text that no page
    with this sort returned.
    """
    if after is None:
        return None
    try:
        cursor_sort, value, last, back = json.loads(
            base64.b64decode(after, altchars=b"-_", validate=True)
        )
        if cursor_sort != sort or type(last) is not tie or type(back) is not bool:
            raise ValueError("a cursor of another sort")
        if isinstance(last, int) and not 0 <= last < _MAX_NUMBER:
            raise ValueError("not a row number")
        if isinstance(last, str) and (b"\x00" in last.encode() or len(last) > _MAX_LENGTH):
            raise ValueError("not a row id")
        return PageCursor(parse_value(value), last, back)
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadRequest(
            "after: use the `next` or `previous` of a page with the same sort"
        ) from error


def cut_page(
    rows: Sequence[Row],
    sort: str,
    after: PageCursor | None,
    limit: int,
    position: Callable[[Row], tuple[Any, int | str]],
) -> PageRows[Row]:
    """Make a page of `rows`, up to `limit` + 1 rows in the direction of `after`.

    `position` returns the sorted value and the tie of a row as JSON values.
    """
    has_more = len(rows) > limit
    page = list(rows[:limit])
    back = after is not None and after.back
    if back:
        page.reverse()
        has_next, has_previous = bool(page), has_more
    else:
        has_next, has_previous = has_more, bool(page) and after is not None
    return PageRows(
        page,
        next=_cursor(sort, *position(page[-1]), False) if has_next else None,
        previous=_cursor(sort, *position(page[0]), True) if has_previous else None,
    )


def _cursor(sort: str, value: Any, tie: int | str, back: bool) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort, value, tie, back]).encode()).decode()


def parse_seq(after: str | None) -> int | None:
    """Read an `after` that is the number of a row; None for the first page. Raises BadRequest."""
    if after is None:
        return None
    is_number = after.isascii() and after.isdigit() and len(after) < 19
    if not is_number or int(after) >= _MAX_NUMBER:
        raise BadRequest("after: use the `next` of a page")
    return int(after)


def parse_time(value: Any) -> datetime:
    time = datetime.fromisoformat(value)
    if time.tzinfo is None:
        raise ValueError("a time without its zone")
    return time.astimezone(UTC)


def parse_number(value: Any) -> float:
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError("not a finite number")
    return value
