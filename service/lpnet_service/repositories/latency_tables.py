"""Pages of a latency table of any size: some samples of an epoch, in order.

A page reads about as many index entries as it has rows and as its selection has groups of samples.
If that is impossible, it walks an index of the epoch that holds all the columns it needs. The
number of matching rows decides which way is taken. No index knows the side of a workload (trained
on or held out), so at most some thousand sides are looked up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Select,
    case,
    exists,
    func,
    literal,
    select,
    tuple_,
    union_all,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from lpnet_service.db.rows import SampleRow, SideRow

# Counts above EXACT are not counted further.
EXACT = 10_000
# Up to this many matching samples may all be read for one page.
FEW = 3_000
_MAX_MERGED_GROUPS = 200


@dataclass(frozen=True)
class Selection:
    """Which samples of an epoch a table shows, without sentinels.

    They belong to one of `groups` (keys; None: all groups) or have a `seq` in `extra`, and meet
    the other conditions. `held_out` is the side of the workload.
    """

    target: str
    epoch: int
    groups: Sequence[int] | None = None
    extra: Sequence[int] = ()
    min_ms: float | None = None
    max_ms: float | None = None
    held_out: bool | None = None

    @property
    def by_group(self) -> bool:
        return self.held_out is None and not self.ranged

    @property
    def ranged(self) -> bool:
        return self.min_ms is not None or self.max_ms is not None


@dataclass(frozen=True)
class Order:
    """By `column` (latency_ms or taken_at), then by `seq`, both in the same direction."""

    column: InstrumentedAttribute[Any]
    descending: bool


class LatencyTableRepository:
    """Counts and pages of the samples of a Selection."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def count(self, selection: Selection, in_groups: int) -> tuple[int, bool]:
        """How many samples match, and whether that number is exact.

        At most EXACT samples of the groups are examined. `in_groups` is the number of samples in
        the groups.
        """
        if selection.held_out is None:
            conditions = (*_in_groups(selection), *_in_range(selection))
            examined = select(literal(1)).where(*conditions).limit(EXACT + 1)
            query = select(func.count()).select_from(examined.subquery())
            examined_count = matching = self._session.scalar(query) or 0
        else:
            keys = _workload_keys(selection, in_groups).limit(EXACT + 1).subquery()
            on_side = case((_is_on_side(selection, keys.c.key), 1), else_=0)
            sides = select(func.count(), func.coalesce(func.sum(on_side), 0)).select_from(keys)
            examined_count, matching = self._session.execute(sides).one()
        if selection.extra:
            extra = SampleRow.seq.in_(selection.extra)
            query = select(func.count()).where(extra, *_other_conditions(selection))
            matching += self._session.scalar(query) or 0
        return min(int(matching), EXACT), examined_count <= EXACT

    def page(
        self,
        selection: Selection,
        order: Order,
        after: tuple[Any, int] | None,
        limit: int,
        few: bool,
    ) -> Sequence[SampleRow]:
        """Samples behind the pair (value, seq), in order. `few`: at most FEW samples match."""
        positions: list[tuple[Any, int]] = []
        for query in _page_queries(selection, order, after, limit, few):
            positions += [(value, seq) for value, seq in self._session.execute(query)]
        positions.sort(reverse=order.descending)
        seqs = [seq for _, seq in positions[:limit]]
        rows = self._session.scalars(select(SampleRow).where(SampleRow.seq.in_(seqs)))
        by_seq = {row.seq: row for row in rows}
        return [by_seq[seq] for seq in seqs if seq in by_seq]


def _workload_keys(selection: Selection, in_groups: int) -> Any:
    """Workload keys of the samples that match all conditions but the side.

    Large numbers of samples are read in key order: one index then holds all needed columns, and
    the sides are stored in the same order.
    """
    key = select(SampleRow.workload_key.label("key"))
    if selection.ranged or in_groups <= EXACT:
        return key.where(*_in_groups(selection), *_in_range(selection))
    return key.where(*_in_groups_by_filter(selection)).order_by(SampleRow.workload_key)


def _page_queries(
    selection: Selection,
    order: Order,
    after: tuple[Any, int] | None,
    limit: int,
    few: bool,
) -> Iterator[Any]:
    """Queries for (value, seq), each of up to `limit` rows in order. Together they hold the
    page."""
    behind = [] if after is None else [_is_behind(order.column, SampleRow.seq, order, after)]
    if selection.extra:
        extra = SampleRow.seq.in_(selection.extra)
        query = _positions(order, *behind, extra, *_other_conditions(selection))
        yield _ordered(query, order, limit)
    if selection.groups is not None and not selection.groups:
        return
    ranged_by_time = selection.ranged and order.column is not SampleRow.latency_ms
    if few and ranged_by_time:
        # All matches by latency, then sorted: in the requested order they may be far apart.
        query = _positions(order, *_in_groups(selection), *_other_conditions(selection))
        matches = query.cte("matches").prefix_with("MATERIALIZED")
        value, seq = matches.c.value, matches.c.seq
        page = select(value, seq)
        if after is not None:
            page = page.where(_is_behind(value, seq, order, after))
        yield _sorted(page, value, seq, order).limit(limit)
    elif selection.groups is None or ranged_by_time or len(selection.groups) > _MAX_MERGED_GROUPS:
        conditions = _walk_conditions(selection, ranged_by_time)
        yield _ordered(_positions(order, *behind, *conditions), order, limit)
    else:
        yield _merged_groups(selection, order, behind, limit)


def _walk_conditions(selection: Selection, ranged_by_time: bool) -> list[ColumnElement[bool]]:
    # As an expression if rows are not in latency order: otherwise the database would read all
    # matches by the index of latencies, and sort them.
    latency = SampleRow.latency_ms + 0.0 if ranged_by_time else SampleRow.latency_ms
    return [
        *_in_groups_by_filter(selection),
        *_in_range(selection, latency),
        *_on_side(selection),
    ]


def _merged_groups(
    selection: Selection, order: Order, behind: Sequence[ColumnElement[bool]], limit: int
) -> Any:
    """The union of the groups, each in order. The database merges them, and reads no more rows of
    a group than the page needs."""
    parts = []
    for key in selection.groups or ():
        in_group = SampleRow.group_key == key
        query = _positions(order, *behind, in_group, *_other_conditions(selection))
        # Without a limit of its own, which would be filled before the first row is merged.
        parts.append(select(_sorted(query, order.column, SampleRow.seq, order).subquery()))
    union = union_all(*parts).subquery()
    page = _sorted(select(union.c.value, union.c.seq), union.c.value, union.c.seq, order)
    return page.limit(limit)


def _positions(order: Order, *where: ColumnElement[bool]) -> Select[Any, int]:
    return select(order.column.label("value"), SampleRow.seq).where(*where)


def _ordered(query: Select[Any, int], order: Order, limit: int) -> Any:
    return _sorted(query, order.column, SampleRow.seq, order).limit(limit)


def _sorted(query: Any, value: Any, seq: Any, order: Order) -> Any:
    if order.descending:
        return query.order_by(value.desc(), seq.desc())
    return query.order_by(value, seq)


def _is_behind(value: Any, seq: Any, order: Order, after: tuple[Any, int]) -> ColumnElement[bool]:
    # As a pair, not as two conditions: only then the database enters an index at this position.
    position = tuple_(value, seq)
    cursor = tuple_(literal(after[0], value.type), literal(after[1], seq.type))
    return position < cursor if order.descending else position > cursor


def _in_groups(selection: Selection) -> list[ColumnElement[bool]]:
    if selection.groups is None:
        return _in_epoch(selection)
    return [SampleRow.group_key.in_(selection.groups)]


def _in_groups_by_filter(selection: Selection) -> list[ColumnElement[bool]]:
    """Like `_in_groups`, but hides the column from the index of groups (`+ 0`), so that rows are
    read in the order of another index."""
    if selection.groups is None:
        return _in_epoch(selection)
    return [*_in_epoch(selection), (SampleRow.group_key + 0).in_(selection.groups)]


def _in_epoch(selection: Selection) -> list[ColumnElement[bool]]:
    # Sentinels are in no group.
    epoch = (SampleRow.target == selection.target, SampleRow.epoch == selection.epoch)
    return [*epoch, SampleRow.group_key.is_not(None)]


def _other_conditions(selection: Selection) -> list[ColumnElement[bool]]:
    return [*_in_range(selection), *_on_side(selection)]


def _in_range(
    selection: Selection, latency: Any = SampleRow.latency_ms
) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = []
    if selection.min_ms is not None:
        conditions.append(latency >= selection.min_ms)
    if selection.max_ms is not None:
        conditions.append(latency <= selection.max_ms)
    return conditions


def _on_side(selection: Selection) -> list[ColumnElement[bool]]:
    if selection.held_out is None:
        return []
    return [_is_on_side(selection, SampleRow.workload_key)]


def _is_on_side(selection: Selection, key: Any) -> ColumnElement[bool]:
    return exists().where(
        SideRow.target == selection.target,
        SideRow.epoch == selection.epoch,
        SideRow.workload_key == key,
        SideRow.held_out == selection.held_out,
    )
