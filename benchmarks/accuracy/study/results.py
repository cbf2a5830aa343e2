"""The results file: the figures of every method by table and number of rows, over the seeds."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from benchmarks.accuracy.study.cells import Cell
from benchmarks.accuracy.study.figures import Figures

RESULTS = Path(__file__).parents[1] / "study.json"
# Pairs and errors by width are kept of this number of rows, for the plots.
PLOTTED_SAMPLES = 300


@dataclass(frozen=True)
class TableFacts:
    name: str
    title: str
    rows: int
    floor_pct: float | None


@dataclass(frozen=True)
class Row:
    """A method on a table, trained on `samples` rows. `mape_pct` has an error for each of `seeds`,
    `worst_ratio` is the largest of all seeds, and the others are means over the seeds."""

    table: str
    samples: int
    method: str
    lpnet: bool
    seeds: list[int]
    mape_pct: list[float]
    median_pct: float
    worst_ratio: float
    covered_pct: float | None
    width_pct: float | None
    covered_by_latency: list[float] | None
    covered_by_distance: list[float] | None
    cpu_s: float
    file_bytes: float | None
    tested: float
    uncovered: float
    pairs: list[tuple[float, float]]
    by_width: list[tuple[float, float]]

    @property
    def mean_pct(self) -> float:
        return statistics.mean(self.mape_pct)


@dataclass(frozen=True)
class Results:
    date: str
    cpu: str
    tables: list[TableFacts]
    rows: list[Row]

    def row(self, table: str, samples: int, method: str) -> Row | None:
        key = (table, samples, method)
        rows = (r for r in self.rows if (r.table, r.samples, r.method) == key)
        return next(rows, None)


_ADAPTER = TypeAdapter(Results)


def rows(cells: Iterable[Cell], kinds: frozenset[str]) -> list[Row]:
    """One row for the cells of each table, number of samples and method; `kinds` are the methods
    that are kinds of latency model. Cells without figures are left out."""
    groups: dict[tuple[str, int, str], list[tuple[Cell, Figures]]] = {}
    for cell in cells:
        if cell.figures is not None:
            key = (cell.key.table, cell.key.samples, cell.key.method)
            groups.setdefault(key, []).append((cell, cell.figures))
    return [
        _row(key, sorted(group, key=lambda pair: pair[0].key.seed), key[2] in kinds)
        for key, group in groups.items()
    ]


def _row(key: tuple[str, int, str], group: list[tuple[Cell, Figures]], lpnet: bool) -> Row:
    table, samples, method = key
    every = [own for _, own in group]
    first, plotted = group[0][0], samples == PLOTTED_SAMPLES
    return Row(
        table=table,
        samples=samples,
        method=method,
        lpnet=lpnet,
        seeds=[cell.key.seed for cell, _ in group],
        mape_pct=[own.mape_pct for own in every],
        median_pct=statistics.mean(own.median_pct for own in every),
        worst_ratio=max(own.worst_ratio for own in every),
        covered_pct=_mean([own.covered_pct for own in every]),
        width_pct=_mean([own.width_pct for own in every]),
        covered_by_latency=_means([own.covered_by_latency for own in every]),
        covered_by_distance=_means([own.covered_by_distance for own in every]),
        cpu_s=statistics.mean(own.cpu_s for own in every),
        file_bytes=_mean([own.file_bytes for own in every]),
        tested=statistics.mean(cell.tested for cell, _ in group),
        uncovered=statistics.mean(cell.uncovered for cell, _ in group),
        pairs=list(first.pairs) if plotted else [],
        by_width=_by_width(every) if plotted else [],
    )


def _mean(values: Iterable[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return statistics.mean(numbers) if numbers else None


def _means(values: Iterable[tuple[float, ...] | None]) -> list[float] | None:
    numbers = [value for value in values if value is not None]
    return [statistics.mean(part) for part in zip(*numbers, strict=True)] if numbers else None


def _by_width(every: Sequence[Figures]) -> list[tuple[float, float]]:
    """Means over the seeds."""
    mean = np.mean([own.by_width for own in every], 0)
    return [(float(width), float(error)) for width, error in mean]


def write(results: Results, path: Path = RESULTS) -> None:
    """A line for each table and each row, with four digits."""
    whole = _rounded(asdict(results))
    assert isinstance(whole, dict)
    parts = []
    for name, value in whole.items():
        text = json.dumps(value)
        if isinstance(value, list):
            text = "[\n  " + ",\n  ".join(json.dumps(item) for item in value) + "\n ]"
        parts.append(f" {json.dumps(name)}: {text}")
    path.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def read(path: Path = RESULTS) -> Results | None:
    """None if the study was not run yet."""
    return _ADAPTER.validate_json(path.read_bytes()) if path.exists() else None


def _rounded(value: object) -> object:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    return [_rounded(item) for item in value] if isinstance(value, list | tuple) else value
