"""Latency tables that others measured, as records of blocks and as columns of numbers.

They are in the folder `latency` of $LPNET_DATA. Nothing of them is stored in this repository.
"""

from __future__ import annotations

import csv
import gzip
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.accuracy.study import blocks
from benchmarks.accuracy.study.blocks import MBConv
from lpnet.errors import LpnetError
from lpnet.schemas import ops as wire
from lpnet.space.table import OpTable
from lpnet_service.training.records import Record

Matrix = NDArray[np.float64]
Row = Mapping[str, str]
# The mean difference between two measurements of all cells of NetAdapt's AlexNet, in percent.
NETADAPT_FLOOR_PCT = 1.49
NETADAPT_BATCH, TITAN_BATCH = 128, 32


@dataclass(frozen=True)
class Table:
    """N measured blocks: records, and columns (N, K) for methods that do not look at ops.

    `floor_pct` is the mean difference between two measurements; None if it is not known.
    """

    name: str
    title: str
    records: tuple[Record, ...]
    columns: Matrix
    floor_pct: float | None = None

    def __len__(self) -> int:
        return len(self.records)


@dataclass(frozen=True)
class Source:
    """A file of rows, which of them to take, and what they say.

    Rows with the values of an earlier row in all of `columns` are dropped.
    """

    title: str
    file: str
    columns: tuple[str, ...]
    ops: Callable[[Row], list[wire.Op]]
    keep: Callable[[Row], bool]
    batch: int = 1
    floor_pct: float | None = None


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
    rows = distinct([row for row in read(source.file) if source.keep(row)], source.columns)
    records = tuple(_record(name, index, row, source) for index, row in enumerate(rows))
    return Table(name, source.title, records, numbers(rows, source.columns), source.floor_pct)


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
        by_content.setdefault(tuple(row[column] for column in columns), row)
    return list(by_content.values())


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


def _record(name: str, index: int, row: Row, source: Source) -> Record:
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


def _integer(row: Row, column: str) -> int:
    return round(float(row[column]))


def _tfnas(row: Row) -> list[wire.Op]:
    c_in, c_out, stride = (_integer(row, c) for c in ("in_channels", "out_channels", "stride"))
    return blocks.mbconv(
        MBConv(
            side=_integer(row, "in_res"),
            c_in=c_in,
            middle=_integer(row, "mid_channels"),
            c_out=c_out,
            kernel=_integer(row, "kernel"),
            stride=stride,
            squeeze=_integer(row, "se_channels"),
            residual=stride == 1 and c_in == c_out,
            function=row["act"],
        )
    )


def _ofa(row: Row) -> list[wire.Op]:
    c_in, expand = _integer(row, "in_channels"), float(row["expand"])
    # A small number is a ratio, a large one a number of channels.
    middle = round(c_in * expand if expand < 30 else expand)
    functions = {"": "unknown", "0.0": "relu", "1.0": "hardswish"}
    return blocks.mbconv(
        MBConv(
            side=_integer(row, "in_res"),
            c_in=c_in,
            middle=middle,
            c_out=_integer(row, "out_channels"),
            kernel=_integer(row, "kernel"),
            stride=_integer(row, "stride"),
            squeeze=blocks.squeeze_width(middle) if float(row["se"]) else 0,
            residual=bool(float(row["idskip"])),
            function=functions[row["hs"]],
        )
    )


def _alexnet(row: Row) -> list[wire.Op]:
    sizes = (_integer(row, c) for c in ("in_channels", "out_channels", "in_res", "kernel"))
    return blocks.conv(*sizes)


def _layer(name: str) -> Source:
    return Source(
        title=f"NetAdapt AlexNet {name}, GPU",
        file="netadapt_alexnet_width__unknown_gpu_b2",
        columns=("in_channels", "out_channels"),
        ops=_alexnet,
        keep=lambda row: row["layer"] == name,
        batch=NETADAPT_BATCH,
        floor_pct=NETADAPT_FLOOR_PCT,
    )


_BLOCK = ("in_res", "in_channels", "mid_channels", "se_channels", "out_channels", "kernel")
_TFNAS = (*_BLOCK, "stride", "act")
_OFA = ("in_res", "in_channels", "out_res", "out_channels", "expand", "kernel", "stride")
_OFA_FLAGS = (*_OFA, "idskip", "se", "hs")


def _positive(row: Row) -> bool:
    return float(row["latency_ms"]) > 0


SOURCES: dict[str, Source] = {
    "tfnas-gpu": Source(
        "TF-NAS blocks, Titan RTX",
        "tfnas_mbconv_width__titan_rtx_b32",
        _TFNAS,
        _tfnas,
        _positive,
        TITAN_BATCH,
    ),
    "tfnas-cpu": Source(
        "TF-NAS blocks, Xeon 6130",
        "tfnas_mbconv_width__xeon_gold_6130_b1",
        _TFNAS,
        _tfnas,
        _positive,
    ),
    "alexnet-6": _layer("features.6"),
    "alexnet-8": _layer("features.8"),
    "alexnet-10": _layer("features.10"),
    "ofa-i7": Source(
        "OFA blocks, Core i7-8700K",
        "ofa_lut__i7_8700k",
        _OFA_FLAGS,
        _ofa,
        lambda row: row["op"] == "MBConv",
    ),
    "ofa-jetson": Source(
        "OFA blocks, Jetson GPU",
        "ofa_lut__jetson_gpu",
        _OFA_FLAGS,
        _ofa,
        lambda row: row["op"] == "expanded_conv",
    ),
}
