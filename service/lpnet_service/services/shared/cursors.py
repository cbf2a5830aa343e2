"""Places between the rows of a listing, as text that a client hands back."""

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
_MOST = 2**62
_LONGEST = 100


@dataclass(frozen=True)
class PageCursor:
    """Behind, or with `back` before, the row with this value of the sorted column and this tie."""

    value: Any
    tie: Any
    back: bool = False


@dataclass(frozen=True)
class PageRows(Generic[Row]):
    """The rows of a page in the order of the listing, and the places of those beside it."""

    rows: Sequence[Row]
    next: str | None
    previous: str | None


def parse_cursor(
    after: str | None, sort: str, value: Callable[[Any], Any], tie: type
) -> PageCursor | None:
    """The place that a page named; None for the first page.

    `value` checks and reads the value; BadRequest for what no page of this sort named.
    """
    if after is None:
        return None
    try:
        named, said, last, back = json.loads(
            base64.b64decode(after, altchars=b"-_", validate=True)
        )
        if named != sort or type(last) is not tie or type(back) is not bool:
            raise ValueError("another order")
        if isinstance(last, int) and not 0 <= last < _MOST:
            raise ValueError("no number of a row")
        if isinstance(last, str) and (b"\x00" in last.encode() or len(last) > _LONGEST):
            raise ValueError("no name of a row")
        return PageCursor(value(said), last, back)
    except (binascii.Error, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadRequest(
            "after: not a place that a page of this sort named as its `next` or `previous`"
        ) from error


def cut_page(
    found: Sequence[Row],
    sort: str,
    after: PageCursor | None,
    limit: int,
    place: Callable[[Row], tuple[Any, int | str]],
) -> PageRows[Row]:
    """Make a page of up to `limit` + 1 rows, found from `after` on; backwards where it says so.

    `place` gives value and tie of a row, as JSON has them.
    """
    more = len(found) > limit
    rows = list(found[:limit])
    back = after is not None and after.back
    if back:
        rows.reverse()
    ahead, behind = (bool(rows), more) if back else (more, bool(rows) and after is not None)
    return PageRows(
        rows,
        next=_write(sort, *place(rows[-1]), False) if ahead else None,
        previous=_write(sort, *place(rows[0]), True) if behind else None,
    )


def _write(sort: str, value: Any, tie: int | str, back: bool) -> str:
    return base64.urlsafe_b64encode(json.dumps([sort, value, tie, back]).encode()).decode()


def parse_time(value: Any) -> datetime:
    """A moment with zone. ValueError, TypeError, OverflowError."""
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment.astimezone(UTC)


def parse_number(value: Any) -> float:
    """A finite number. ValueError."""
    if not isinstance(value, float) or not math.isfinite(value):
        raise ValueError("not a number")
    return value
