"""Samples from CSV files: a row is a measured workload, and a map names the column of each field.

A workload is a single op (columns `c_in`, `c_out`, `h`, `w`, `kernel`, ...), the widths of a space
(a column per width), or JSON as `lpnet export --format csv` writes it (`ops`, or `space` and
`widths`).
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from lpnet import op_lists
from lpnet.errors import FileFormatError, LpnetError
from lpnet.samples_file import BadLine, SamplesFile, first_reason
from lpnet.schemas.sample import Sample
from lpnet.text_file import open_text

if TYPE_CHECKING:
    from lpnet.space.space import Space

TO_MS = {"s": 1000.0, "ms": 1.0, "us": 0.001}
LATENCY = "latency_ms"
_TIMES = (LATENCY, "std_ms", "p10_ms", "p90_ms", "min_ms", "ci_low_ms", "ci_high_ms")
_MEASURED = (*_TIMES, "count", "kind", "id", "draw", "session", "measured_at", "disturbed")
_PAIRS = ("kernel", "stride", "padding", "dilation")
_NUMBERS = ("c_in", "c_out", "h", "w", "groups", "h_out", "w_out", *_PAIRS)
_OP = (*_NUMBERS, "type", "function", "mode")
_JSON = ("ops", "space", "block", "widths")
FIELDS = (*_MEASURED, "batch", *_OP, *_JSON)


@dataclass(frozen=True)
class CsvFormat:
    """How to read the rows. `columns` maps fields, and widths of the space, to columns; a field
    that it leaves out is in the column of its name. `unit` is that of latencies."""

    columns: Mapping[str, str]
    unit: str = "ms"
    space: Space | None = None
    block: str | None = None


def parse_columns(options: Sequence[str]) -> dict[str, str]:
    """Raises LpnetError for an option that is not FIELD=COLUMN."""
    columns = {}
    for option in options:
        field, equals, column = option.partition("=")
        if not equals or not field or not column:
            raise LpnetError(f"--column {option}: write FIELD=COLUMN, such as {LATENCY}=time")
        columns[field] = column
    return columns


def read(path: Path, form: CsvFormat, *, target: str = "") -> tuple[SamplesFile, list[str]]:
    """The samples of a file, and the columns that are not used.

    A row without an id gets one derived from the target and its content, as in JSON lines. Raises
    FileFormatError if the file cannot be read or lacks a column.
    """
    samples: list[Sample] = []
    lines: list[int] = []
    bad: list[BadLine] = []
    occurrences: Counter[str] = Counter()
    with open_text(path) as file:
        reader = csv.DictReader(file, dialect=_dialect(file.readline(1 << 16)))
        file.seek(0)
        used = _used(path, reader.fieldnames or (), form)
        for row in reader:
            cells = {field: row[column].strip() for field, column in used.items() if row[column]}
            try:
                sample = _sample(cells, form)
            except ValidationError as error:
                bad.append(BadLine(reader.line_num, first_reason(error)))
                continue
            except ValueError as error:
                bad.append(BadLine(reader.line_num, str(error)))
                continue
            text = json.dumps(cells, sort_keys=True)
            occurrences[text] += 1
            samples.append(_with_id(sample, f"{target}\n{text}\n{occurrences[text]}"))
            lines.append(reader.line_num)
        unused = [name for name in reader.fieldnames or () if name not in used.values()]
    return SamplesFile(tuple(samples), tuple(lines), tuple(bad)), unused


def _dialect(header: str) -> type[csv.Dialect]:
    delimiter_ = max(",;\t", key=header.count)

    class Dialect(csv.excel):
        delimiter = delimiter_

    return Dialect


def _used(path: Path, columns: Sequence[str], form: CsvFormat) -> dict[str, str]:
    """The column of each field in the file. Raises FileFormatError."""
    known = {*FIELDS, *_width_names(form)}
    for field, column in form.columns.items():
        if field not in known:
            raise FileFormatError(f"--column {field}={column}: there is no field {field!r}")
        if column not in columns:
            raise FileFormatError(f"{path} has no column {column!r}, only {', '.join(columns)}")
    taken = set(form.columns.values())
    used = {name: name for name in columns if name in known and name not in taken}
    used |= form.columns
    missing = _missing(used, form)
    if missing:
        raise FileFormatError(
            f"{path} has no column for {', '.join(missing)}, only {', '.join(columns)}. "
            f"Name it: --column {missing[0]}=COLUMN"
        )
    return used


def _missing(used: Mapping[str, str], form: CsvFormat) -> list[str]:
    needed: tuple[str, ...] = (LATENCY,)
    if form.space is not None:
        needed += tuple(_width_names(form))
    elif "ops" not in used and "widths" not in used:
        needed += ("c_in", "c_out", "h", "w", "kernel")
        if used.get("type"):
            needed = needed[:-1]  # an op of another type may have no kernel
    return [field for field in needed if field not in used]


def _width_names(form: CsvFormat) -> Iterator[str]:
    if form.space is not None:
        part = form.space if form.block is None else form.space.block(form.block)
        yield from (width.name for width in part.widths)


def _sample(cells: Mapping[str, str], form: CsvFormat) -> Sample:
    """Raises ValueError, of which ValidationError is one."""
    measured: dict[str, Any] = {name: cells[name] for name in _MEASURED if name in cells}
    for name in _TIMES:
        if name in measured:
            measured[name] = _number(name, measured[name], float) * TO_MS[form.unit]
    if "kind" not in measured and form.space is not None:
        measured["kind"] = "network" if form.block is None else "block"
    return Sample.model_validate(measured | {"workload": _workload(cells, form)})


def _workload(cells: Mapping[str, str], form: CsvFormat) -> Any:
    batch = _number("batch", cells.get("batch", "1"), int)
    if form.space is not None:
        names = [name for name in _width_names(form) if name in cells]
        widths = {name: _number(name, cells[name], int) for name in names}
        hash_ = form.space.hash
        return {"space": hash_, "block": form.block, "widths": widths, "batch": batch}
    if "ops" in cells:
        return {"ops": json.loads(cells["ops"]), "batch": batch}
    if "widths" in cells:
        widths = json.loads(cells["widths"])
        names_ = {name: cells[name] for name in ("space", "block") if name in cells}
        return {"widths": widths, "batch": batch, **names_}
    op: dict[str, Any] = {"type": "conv2d"} | {name: cells[name] for name in _OP if name in cells}
    for name in _NUMBERS:
        if name in op and op[name] != "same":
            op[name] = _number(name, op[name], int)
    return op_lists.parse([op], batch)


def _number(name: str, text: str, kind: type) -> Any:
    try:
        return kind(text)
    except ValueError as error:
        what = "a whole number" if kind is int else "a number, with a point before its decimals"
        raise ValueError(f"{name}: {text!r} is not {what}") from error


def _with_id(sample: Sample, text: str) -> Sample:
    if sample.id is not None:
        return sample
    digest = hashlib.sha256(text.encode()).hexdigest()[:32]
    return sample.model_copy(update={"id": digest})
