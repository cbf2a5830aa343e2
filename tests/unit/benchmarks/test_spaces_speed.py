"""The table of seconds has medians, and names what a network may take."""

from __future__ import annotations

import pytest
from benchmarks.spaces.speed.networks import NETWORKS
from benchmarks.spaces.speed.results import COLUMNS, Results, Seconds, misses, table

LIMIT = NETWORKS[0]


def results(own: float, total: float) -> Results:
    seconds = Seconds(LIMIT.name)
    for factor in (0.5, 1.0, 9.0):
        seconds.add({"ops": 3, "widths": 2, "own_s": own * factor})
        seconds.add({"export_s": (total - own) * factor})
    seconds.errors.append("torch-pruning: it failed")
    return Results("2026-01-01", "a processor", [seconds])


def test_a_row_has_the_median_of_the_runs_and_what_failed() -> None:
    text = table(results(own=1.25, total=5.0))
    row = next(line for line in text.splitlines() if line.startswith(f"| {LIMIT.name} | 3 | 2 |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")][3:]
    assert dict(zip(COLUMNS, cells, strict=True)) == {
        **dict.fromkeys(COLUMNS, "failed"),
        "export_s": "3.75",
        "own_s": "1.25",
    }
    assert "medians of 3 new processes" in text
    assert f"{LIMIT.name}, torch-pruning: it failed" in text


def test_before_the_first_run_there_is_no_table() -> None:
    assert table(None) == "Not run yet."


@pytest.mark.parametrize(
    ("own", "total", "count"),
    [(1.9, 14.9, 0), (2.1, 14.9, 1), (1.9, 15.1, 1), (2.1, 15.1, 2)],
)
def test_limits_hold_for_all_seconds_and_for_our_own(own: float, total: float, count: int) -> None:
    assert len(misses(results(own, total))) == count
