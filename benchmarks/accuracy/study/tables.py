"""Latency tables that others measured, as records of blocks and as columns of numbers.

They are in the folder `latency` of $LPNET_DATA. Nothing of them is stored in this repository.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.study.sources import SOURCES, Row, Source
from lpnet.errors import LpnetError
from lpnet.space.table import OpTable
from lpnet_service.training.records import Record, Vector

__all__ = ["SOURCES", "Matrix", "Table", "distinct", "load", "numbers", "read"]

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class Table:
    """N measured blocks: records, columns (N, K) for methods that do not look at ops, and the
    channels `widths` (N,) that pruning changes.

    `floor_pct` is the error of a prediction that is right, since measurements vary; None if it is
    not known.
    """

    name: str
    title: str
    records: tuple[Record, ...]
    columns: Matrix
    widths: Vector
    floor_pct: float | None = None

    def __len__(self) -> int:
        return len(self.records)


def folder() -> Path:
    """Raises LpnetError where LPNET_DATA does not lead to tables."""
    data = os.environ.get("LPNET_DATA")
    if not data:
        raise LpnetError("LPNET_DATA must name the folder of the latency tables, and is not set")
    path = Path(data, "latency")
    if not path.is_dir():
        raise LpnetError(f"LPNET_DATA: there is no folder {path}")
    return path


def load(name: str) -> Table:
    """Raises LpnetError for an unknown table, or where its file is missing."""
    if name not in SOURCES:
        raise LpnetError(f"no table {name!r}; there are {', '.join(SOURCES)}")
    source = SOURCES[name]
    rows = kept(source, source.file)
    records = tuple(record(name, index, row, source) for index, row in enumerate(rows))
    floor_pct = None if source.again is None else noise_floor_pct(source, rows)
    widths = np.array([float(source.width(row)) for row in rows])
    return Table(name, source.title, records, numbers(rows, source.columns), widths, floor_pct)


def noise_floor_pct(source: Source, rows: Sequence[Row]) -> float:
    """The mean difference between two measurements over the root of 2: each of the two has an
    equal part in the difference."""
    assert source.again is not None
    second = {_key(row, source.columns): row for row in kept(source, source.again)}
    pairs = [(row, second[_key(row, source.columns)]) for row in rows]
    ms = np.array([[float(row["latency_ms"]) for row in pair] for pair in pairs])
    return float(100.0 * np.abs(np.log(ms[:, 0] / ms[:, 1])).mean() / np.sqrt(2.0))


def kept(source: Source, file: str) -> list[Row]:
    """The rows of a file that has the columns of the source, each set of columns once."""
    return distinct([row for row in read(file) if source.keep(row)], source.columns)


def read(file: str) -> list[Row]:
    path = folder() / f"{file}.csv.gz"
    if not path.exists():
        raise LpnetError(f"LPNET_DATA: there is no file {path}")
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def distinct(rows: Sequence[Row], columns: Sequence[str]) -> list[Row]:
    """Rows without those that repeat the columns of an earlier one."""
    by_content: dict[tuple[str, ...], Row] = {}
    for row in rows:
        by_content.setdefault(_key(row, columns), row)
    return list(by_content.values())


def _key(row: Row, columns: Sequence[str]) -> tuple[str, ...]:
    return tuple(row[column] for column in columns)


def numbers(rows: Sequence[Row], columns: Sequence[str]) -> Matrix:
    """The columns that vary, (N, K). Names become numbers by their order; blanks are 0."""
    values = []
    for column in columns:
        texts = [row[column] for row in rows]
        if len(set(texts)) > 1:
            values.append(_numbers(texts))
    return np.stack(values, 1)


def _numbers(texts: Sequence[str]) -> list[float]:
    try:
        return [float(text or 0) for text in texts]
    except ValueError:
        order = sorted(set(texts))
        return [float(order.index(text)) for text in texts]


def record(name: str, index: int, row: Row, source: Source) -> Record:
    """Row `index` of the table `name`."""
    return Record(
        key=f"{name} {index}",
        kind="block",
        table=OpTable.from_ops(source.ops(row)),
        batch=source.batch,
        latency_ms=float(row["latency_ms"]),
        draw=None,
        space=None,
        widths=None,
        held_out=False,
    )
