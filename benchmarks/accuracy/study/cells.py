"""Cells: a method trained on so many rows of a table with a seed, each a line of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter

from benchmarks.accuracy.study.draws import Draw
from benchmarks.accuracy.study.figures import Figures, figures
from benchmarks.accuracy.study.methods import Method
from lpnet.errors import LpnetError
from lpnet_service.training.baselines.task import NotApplicable
from lpnet_service.training.threads import one_thread

FILE = "cells.jsonl"
# So many pairs of measured and predicted ms are kept for the plots.
PAIRS = 60
Pairs = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Key:
    """What a cell depends on; `digest` is that of the method's code."""

    table: str
    samples: int
    seed: int
    method: str
    digest: str


@dataclass(frozen=True)
class Cell:
    """`figures` is None where the method does not apply, for a `reason`. `pairs` are measured and
    predicted ms of some test rows, the same for all methods."""

    key: Key
    tested: int
    uncovered: int
    figures: Figures | None
    reason: str | None
    pairs: Pairs


_CELL = TypeAdapter(Cell)


class Cache:
    """The cells in a folder. A line that a stopped run left unfinished is ignored."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self.cells: dict[Key, Cell] = {}
        lines = self.path.read_text(encoding="utf-8").splitlines() if self.path.exists() else []
        for line in lines:
            if line.startswith("{") and line.endswith("}"):
                cell = _CELL.validate_json(line)
                self.cells[cell.key] = cell

    def add(self, cell: Cell) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(cell)) + "\n")
        self.cells[cell.key] = cell

    def of(self, keys: Iterable[Key]) -> Iterator[Cell]:
        return (self.cells[key] for key in keys if key in self.cells)


def run(method: Method, draw: Draw, key: Key) -> Cell:
    """Train and test a method, on one thread."""
    result: Figures | None = None
    reason: str | None = None
    pairs: Pairs = ()
    started = method.seconds()
    try:
        with one_thread():
            prediction = method.run(draw)
        seconds = method.seconds() - started
        if np.isfinite(prediction.ms).all():
            result = figures(
                prediction, draw.test.latency, draw.distance(), draw.test_widths, seconds
            )
            pairs = _pairs(draw.test.latency, prediction.ms)
        else:
            wrong = int((~np.isfinite(prediction.ms)).sum())
            reason = f"{wrong} of {len(prediction.ms)} predictions are no numbers"
    except (NotApplicable, LpnetError, np.linalg.LinAlgError) as error:
        reason = str(error)
    return Cell(key, len(draw.test), draw.uncovered, result, reason, pairs)


def _pairs(measured: np.ndarray, predicted: np.ndarray) -> Pairs:
    """Pairs of rows that are evenly spread over the order of measured latencies."""
    order = np.argsort(measured, kind="stable")
    spread = order[np.linspace(0, len(order) - 1, min(PAIRS, len(order))).astype(int)]
    return tuple((float(f"{measured[i]:.4g}"), float(f"{predicted[i]:.4g}")) for i in spread)
