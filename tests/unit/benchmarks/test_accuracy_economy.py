"""The study of how many samples are needed: replays and tables."""

from __future__ import annotations

from pathlib import Path

from benchmarks.accuracy.economy import docs, results
from benchmarks.accuracy.economy.active import ACTIVE, RANDOM, ActiveCell
from benchmarks.accuracy.economy.pairs import TABLE_PAIRS
from benchmarks.accuracy.economy.results import Results
from benchmarks.accuracy.economy.transfer import CHOSEN, SCRATCH, TRANSFER, TransferCell, many
from benchmarks.accuracy.study.tables import SOURCES

WHOLE = Results(
    [
        ActiveCell("a", 60, RANDOM, 0, 4.0),
        ActiveCell("a", 60, RANDOM, 1, 2.0),
        ActiveCell("a", 60, ACTIVE, 0, 1.5),
    ],
    [
        TransferCell("a to b", 10, SCRATCH, 0, 20.0, None, 100.0),
        TransferCell("a to b", 10, TRANSFER, 0, 5.0, 2.0, 100.0),
        TransferCell("a to b", 10, CHOSEN, 0, 5.0, 2.0, 100.0),
        TransferCell("a to b", 80, SCRATCH, 0, 3.0, 1.0, 100.0),
    ],
)


def test_tables_have_means_and_ratios() -> None:
    assert "| a | 60 | 3.00% | 1.50% | 0.50 |" in docs.active_table(WHOLE)
    table = docs.transfer_table(WHOLE)
    assert (
        "| a to b | from scratch (many: 80) | 20.0% | - | - | 3.0% | - | - | - | 1.0% |" in table
    )
    assert "| a to b | with transfer | 5.0% | - | - | - | 2.0% | - | - | - |" in table


def test_results_are_what_was_written(tmp_path: Path) -> None:
    path = tmp_path / "economy.json"
    assert results.read(path) == Results([], [])
    results.write(WHOLE, path)
    assert results.read(path) == WHOLE


def test_the_page_has_the_tables_of_the_results() -> None:
    text = docs.PAGE.read_text()
    assert docs.rendered(text, results.read()) == text


def test_pairs_are_of_known_tables_and_many_leaves_some_to_test_with() -> None:
    assert {name for pair in TABLE_PAIRS for name in (pair.source, pair.target)} <= set(SOURCES)
    assert many(107) == 82
    assert many(5000) == 200
