"""Places between rows, as clients hand them back."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from lpnet_service.errors import BadRequest
from lpnet_service.services.shared import cursors
from lpnet_service.services.shared.cursors import PageCursor


def text(*parts: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(parts).encode()).decode()


def test_a_place_is_read_as_it_was_written() -> None:
    rows = [(float(number), number) for number in range(4)]
    cut = cursors.cut_page(rows, "ms", None, 3, lambda row: row)
    assert (list(cut.rows), cut.previous) == (rows[:3], None)
    assert cursors.parse_cursor(cut.next, "ms", cursors.parse_number, int) == PageCursor(2.0, 2)
    ahead = cursors.cut_page(rows[3:], "ms", PageCursor(2.0, 2), 3, lambda row: row)
    assert ahead.next is None
    assert cursors.parse_cursor(ahead.previous, "ms", cursors.parse_number, int) == PageCursor(
        3.0, 3, back=True
    )
    back = cursors.cut_page(rows[2::-1], "ms", PageCursor(3.0, 3, back=True), 3, lambda row: row)
    assert (list(back.rows), back.previous) == (rows[:3], None)
    assert back.next is not None


def test_a_time_keeps_its_moment() -> None:
    cursor_text = text("at", "2026-01-31T13:00:00+01:00", "id", False)
    cursor = cursors.parse_cursor(cursor_text, "at", cursors.parse_time, str)
    assert cursor == PageCursor(datetime(2026, 1, 31, 12, tzinfo=UTC), "id")


@pytest.mark.parametrize(
    "after",
    [
        text("other", "2026-01-31T13:00:00Z", "id", False),
        text("at", "2026-01-31T13:00:00", "id", False),
        text("at", "0001-01-01T00:00:00+14:00", "id", False),
        text("at", 3.0, "id", False),
        text("at", "2026-01-31T13:00:00Z", "a\x00b", False),
        text("at", "2026-01-31T13:00:00Z", "\ud800", False),
        text("at", "2026-01-31T13:00:00Z", "x" * 101, False),
        text("at", "2026-01-31T13:00:00Z", 3, False),
        text("at", "2026-01-31T13:00:00Z", "id", 0),
        text("at"),
        base64.b64encode(b"[" * 100_000).decode(),
        "not base64!",
    ],
)
def test_what_no_page_named_is_refused(after: str) -> None:
    with pytest.raises(BadRequest, match="after"):
        cursors.parse_cursor(after, "at", cursors.parse_time, str)


@pytest.mark.parametrize("value", [float("inf"), float("nan"), True, 3, "3.0", None])
def test_only_finite_numbers_are_numbers(value: Any) -> None:
    with pytest.raises(BadRequest, match="after"):
        cursors.parse_cursor(text("ms", value, 1, False), "ms", cursors.parse_number, int)


@pytest.mark.parametrize("number", [-1, 2**62, True, 1.0])
def test_a_row_has_a_number(number: Any) -> None:
    with pytest.raises(BadRequest, match="after"):
        cursors.parse_cursor(text("ms", 1.0, number, False), "ms", cursors.parse_number, int)
