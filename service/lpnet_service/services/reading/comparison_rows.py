"""Compared workloads, a page at a time or as a file."""

from __future__ import annotations

import csv
import io
import json
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from sqlalchemy.orm import Session

from lpnet.schemas.compare import ComparedRow, ComparePage
from lpnet_service.errors import BadRequest
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.spaces import SpaceRepository
from lpnet_service.services.reading import comparison
from lpnet_service.services.reading.comparison import Common
from lpnet_service.services.shared import cursors
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.cursors import Place

Sort = Literal["ratio", "-ratio", "latency_ms", "-latency_ms"]
_PAGE = 1000
# Value sorted by, key, and place in `Common`.
_Entry = tuple[float, str, int]


def page(
    ctx: Context,
    targets: Sequence[str],
    *,
    by: str | None,
    sort: Sort,
    after: str | None,
    limit: int,
) -> ComparePage:
    """Workloads that all targets measured, in the order of a figure of the target `by`: by
    default of the second for ratios, of the first for latencies.

    NotFound for an unknown target, BadRequest for one that is named twice, for a `by` that is not
    among them, and for an `after` that no page of this sort gave.
    """
    column = _column(targets, by, sort)
    named = f"{sort} {targets[column]}"
    place = cursors.read(after, named, cursors.number, str)
    with ctx.db.read() as session:
        common = comparison.common(session, targets)
        entries = _entries(common, column, sort)
        cut = cursors.cut(
            _from(entries, place, sort, limit + 1), named, place, limit, lambda e: (e[0], e[1])
        )
        items = _rows(session, common, cut.rows)
    return ComparePage(**common.about(), items=items, next=cut.next, previous=cut.previous)


def export(ctx: Context, targets: Sequence[str], *, by: str | None, sort: Sort) -> Iterator[str]:
    """The rows of all pages as CSV, a thousand in memory at a time. Raises as `page`, before any
    text."""
    column = _column(targets, by, sort)
    with ctx.db.read() as session:
        common = comparison.common(session, targets)
    entries = _entries(common, column, sort)

    def lines() -> Iterator[str]:
        figures = [f"{figure} {name}" for figure in ("latency_ms", "ratio") for name in targets]
        yield _text([["kind", "space_name", "workload", *figures, "fastest", "sample"]])
        for start in range(0, len(entries), _PAGE):
            with ctx.db.read() as session:
                rows = _rows(session, common, entries[start : start + _PAGE])
            yield _text([_cells(row) for row in rows])

    return lines()


def _column(targets: Sequence[str], by: str | None, sort: Sort) -> int:
    if by is None:
        return 1 if sort.endswith("ratio") else 0
    if by not in targets:
        raise BadRequest(f"by: {by!r} is not one of the targets that are compared")
    return list(targets).index(by)


def _entries(common: Common, column: int, sort: Sort) -> list[_Entry]:
    """All workloads in order."""
    figures = common.ratio if sort.endswith("ratio") else common.latency
    values = figures[:, column].tolist()
    made = zip(values, common.keys, range(len(values)), strict=True)
    return sorted(made, reverse=sort.startswith("-"))


def _from(entries: list[_Entry], place: Place | None, sort: Sort, count: int) -> list[_Entry]:
    """Entries from a place on, in the direction it has."""
    if place is None:
        return entries[:count]
    falls = sort.startswith("-")
    ascending = entries[::-1] if falls else entries
    here = (place.value, place.tie)
    if falls == place.back:
        start = bisect_right(ascending, here, key=lambda e: (e[0], e[1]))
        return ascending[start : start + count]
    end = bisect_left(ascending, here, key=lambda e: (e[0], e[1]))
    return ascending[max(0, end - count) : end][::-1]


def _rows(session: Session, common: Common, entries: Sequence[_Entry]) -> tuple[ComparedRow, ...]:
    first = common.targets[0]
    keys = [key for _, key, _ in entries]
    bodies = SampleRepository(session).body_by_workload(first.target, first.epoch, keys)
    names = SpaceRepository(session).names()
    shown = [(json.loads(bodies[key]), place) for _, key, place in entries if key in bodies]
    return tuple(_row(common, body, place, names) for body, place in shown)


def _row(
    common: Common, body: Mapping[str, object], place: int, names: Mapping[str, str]
) -> ComparedRow:
    kind, space, _ = common.facts[place]
    latency = common.latency[place]
    return ComparedRow.model_validate(
        {
            "kind": kind,
            "workload": body["workload"],
            "space_name": names.get(space or ""),
            "latency_ms": tuple(latency.tolist()),
            "ratio": tuple((latency / latency[0]).tolist()),
            "fastest": common.targets[int(np.argmin(latency))].target,
            "sample": body["id"],
        }
    )


def _text(rows: list[list[object]]) -> str:
    text = io.StringIO()
    csv.writer(text).writerows(rows)
    return text.getvalue()


def _cells(row: ComparedRow) -> list[object]:
    workload = row.workload.model_dump_json()
    figures = (*row.latency_ms, *row.ratio)
    return [row.kind, row.space_name, workload, *figures, row.fastest, row.sample]
