"""Compared workloads, as pages or as a CSV file."""

from __future__ import annotations

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
from lpnet_service.services.reading.comparison import CommonWorkloads, common_workloads
from lpnet_service.services.reading.csv_text import to_csv
from lpnet_service.services.shared import cursors
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.cursors import PageCursor

Sort = Literal["ratio", "-ratio", "latency_ms", "-latency_ms"]
_EXPORT_PAGE = 1000
# Sorted value, workload key, and index in CommonWorkloads.
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
    """Workloads that all targets measured, sorted by the latency or ratio of target `by`.

    By default `by` is the second target for ratios and the first for latencies. Raises BadRequest
    for a target that is named twice, and for a `by` that is not among the targets.
    """
    column = _column(targets, by, sort)
    cursor_sort = f"{sort} {targets[column]}"
    cursor = cursors.parse_cursor(after, cursor_sort, cursors.parse_number, str)
    with ctx.db.read() as session:
        common = common_workloads(session, targets)
        entries = _sorted_entries(common, column, sort)
        cut = cursors.cut_page(
            _entries_from(entries, cursor, sort, limit + 1),
            cursor_sort,
            cursor,
            limit,
            lambda entry: (entry[0], entry[1]),
        )
        items = _rows(session, common, cut.rows)
    return ComparePage(
        **common.summary_fields(), items=items, next=cut.next, previous=cut.previous
    )


def export(ctx: Context, targets: Sequence[str], *, by: str | None, sort: Sort) -> Iterator[str]:
    """The rows of all pages as CSV, with a thousand rows in memory at a time.

    Raises as `page` does, before any text is produced.
    """
    column = _column(targets, by, sort)
    with ctx.db.read() as session:
        common = common_workloads(session, targets)
    entries = _sorted_entries(common, column, sort)

    def lines() -> Iterator[str]:
        figures = [f"{figure} {name}" for figure in ("latency_ms", "ratio") for name in targets]
        yield to_csv([["kind", "space_name", "workload", *figures, "fastest", "sample"]])
        for start in range(0, len(entries), _EXPORT_PAGE):
            with ctx.db.read() as session:
                rows = _rows(session, common, entries[start : start + _EXPORT_PAGE])
            yield to_csv(_cells(row) for row in rows)

    return lines()


def _column(targets: Sequence[str], by: str | None, sort: Sort) -> int:
    if by is None:
        return 1 if sort.endswith("ratio") else 0
    if by not in targets:
        raise BadRequest(f"by: {by!r} is not one of the compared targets")
    return list(targets).index(by)


def _sorted_entries(common: CommonWorkloads, column: int, sort: Sort) -> list[_Entry]:
    figures = common.ratio if sort.endswith("ratio") else common.latency
    values = figures[:, column].tolist()
    entries = zip(values, common.keys, range(len(values)), strict=True)
    return sorted(entries, reverse=sort.startswith("-"))


def _entries_from(
    entries: list[_Entry], cursor: PageCursor | None, sort: Sort, count: int
) -> list[_Entry]:
    if cursor is None:
        return entries[:count]
    descending = sort.startswith("-")
    ascending = entries[::-1] if descending else entries
    position = (cursor.value, cursor.tie)
    if descending == cursor.back:
        start = bisect_right(ascending, position, key=lambda entry: (entry[0], entry[1]))
        return ascending[start : start + count]
    end = bisect_left(ascending, position, key=lambda entry: (entry[0], entry[1]))
    return ascending[max(0, end - count) : end][::-1]


def _rows(
    session: Session, common: CommonWorkloads, entries: Sequence[_Entry]
) -> tuple[ComparedRow, ...]:
    first = common.targets[0]
    keys = [key for _, key, _ in entries]
    bodies = SampleRepository(session).body_by_workload(first.target, first.epoch, keys)
    names = SpaceRepository(session).names()
    return tuple(
        _row(common, json.loads(bodies[key]), index, names)
        for _, key, index in entries
        if key in bodies
    )


def _row(
    common: CommonWorkloads, body: Mapping[str, object], index: int, names: Mapping[str, str]
) -> ComparedRow:
    kind, space, _ = common.facts[index]
    latency = common.latency[index]
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


def _cells(row: ComparedRow) -> list[object]:
    workload = row.workload.model_dump_json()
    figures = (*row.latency_ms, *row.ratio)
    return [row.kind, row.space_name, workload, *figures, row.fastest, row.sample]
