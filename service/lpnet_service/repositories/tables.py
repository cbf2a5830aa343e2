"""Pages of a latency table of any size: some samples of an epoch, in order.

Every way taken here reads about as many index entries as there are rows on a page, or as the
selection has groups of samples times that. Which way that is depends on how many rows match.
What no index knows, the side of a workload, is looked up for some thousand rows at most.
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

EXACT = 10_000
FEW = 3_000
_STREAMS = 50


@dataclass(frozen=True)
class Selection:
    """Which samples of an epoch a table shows, sentinels left out.

    Those of `groups` (keys; None: all), and the samples numbered `others`, which are in none of
    them; of these what the other conditions leave. `held_out` is by side of the workload.
    """

    target: str
    epoch: int
    groups: Sequence[int] | None = None
    others: Sequence[int] = ()
    min_ms: float | None = None
    max_ms: float | None = None
    held_out: bool | None = None

    @property
    def by_group(self) -> bool:
        """Whether the groups say all, so that their counts do."""
        return self.held_out is None and not self.ranged

    @property
    def ranged(self) -> bool:
        """Whether latencies are bounded."""
        return self.min_ms is not None or self.max_ms is not None


@dataclass(frozen=True)
class Order:
    """By a column, `latency_ms` or `taken_at`, then by number; both ascending or descending."""

    column: InstrumentedAttribute[Any]
    descending: bool


def count(session: Session, chosen: Selection) -> tuple[int, bool]:
    """How many samples match, and whether these are all: EXACT are looked at, those of `others`
    beside."""
    inside = [*_inside(chosen), *_within(chosen)]
    looked = select(SampleRow.workload_key).where(*inside).limit(EXACT + 1).subquery()
    if chosen.held_out is None:
        looked_at = found = session.scalar(select(func.count()).select_from(looked)) or 0
    else:
        side = _on_side(chosen, looked.c.workload_key)
        query = select(func.count(), func.coalesce(func.sum(case((side, 1), else_=0)), 0))
        looked_at, found = session.execute(query.select_from(looked)).one()
    if chosen.others:
        query = select(func.count()).where(SampleRow.seq.in_(chosen.others), *_meets(chosen))
        found += session.scalar(query) or 0
    return min(int(found), EXACT), looked_at <= EXACT


def page(
    session: Session,
    chosen: Selection,
    order: Order,
    after: tuple[Any, int] | None,
    limit: int,
    few: bool,
) -> Sequence[SampleRow]:
    """Samples in order, those behind the pair (value, number). `few`: at most some thousand match
    in all."""
    found: list[tuple[Any, int]] = []
    for stream in _streams(chosen, order, after, limit, few):
        found += [(value, seq) for value, seq in session.execute(stream)]
    found.sort(reverse=order.descending)
    numbers = [seq for _, seq in found[:limit]]
    rows = session.scalars(select(SampleRow).where(SampleRow.seq.in_(numbers)))
    by_number = {row.seq: row for row in rows}
    return [by_number[number] for number in numbers if number in by_number]


def _streams(
    chosen: Selection,
    order: Order,
    after: tuple[Any, int] | None,
    limit: int,
    few: bool,
) -> Iterator[Any]:
    """Queries for (value, number), each of up to `limit` rows in order, that hold the page."""
    here = [*_behind(order, after)]
    if chosen.others:
        yield _ordered(
            _pairs(order, *here, SampleRow.seq.in_(chosen.others), *_meets(chosen)), order, limit
        )
    if chosen.groups is not None and not chosen.groups:
        return
    if few and chosen.ranged and order.column is not SampleRow.latency_ms:
        # All that match, by latency, then sorted; in the order asked for they may be far apart.
        found = _pairs(order, *_inside(chosen), *_meets(chosen))
        held = found.cte("found").prefix_with("MATERIALIZED")
        value, seq = held.c.value, held.c.seq
        query = select(value, seq)
        if after is not None:
            query = query.where(_beyond(value, seq, order, after))
        yield _sorted(query, value, seq, order, limit)
    elif chosen.groups is None or (not chosen.by_group and len(chosen.groups) > _STREAMS):
        walked = [*_of_epoch(chosen), *_meets(chosen)]
        if chosen.groups is not None:
            # As an expression: by their index they would all be read, and sorted.
            walked.append((SampleRow.group_key + 0).in_(chosen.groups))
        yield _ordered(_pairs(order, *here, *walked), order, limit)
    else:
        for start in range(0, len(chosen.groups), _STREAMS):
            yield union_all(
                *(
                    select(_limited_pairs(order, here, chosen, key, limit))
                    for key in chosen.groups[start : start + _STREAMS]
                )
            )


def _limited_pairs(
    order: Order, here: Sequence[ColumnElement[bool]], chosen: Selection, key: int, limit: int
) -> Any:
    mine = _pairs(order, *here, SampleRow.group_key == key, *_meets(chosen))
    return _ordered(mine, order, limit).subquery()


def _pairs(order: Order, *where: ColumnElement[bool]) -> Select[Any, int]:
    return select(order.column.label("value"), SampleRow.seq).where(*where)


def _ordered(query: Select[Any, int], order: Order, limit: int) -> Any:
    return _sorted(query, order.column, SampleRow.seq, order, limit)


def _sorted(query: Any, value: Any, seq: Any, order: Order, limit: int) -> Any:
    if order.descending:
        return query.order_by(value.desc(), seq.desc()).limit(limit)
    return query.order_by(value, seq).limit(limit)


def _behind(order: Order, after: tuple[Any, int] | None) -> list[ColumnElement[bool]]:
    return [] if after is None else [_beyond(order.column, SampleRow.seq, order, after)]


def _beyond(value: Any, seq: Any, order: Order, after: tuple[Any, int]) -> ColumnElement[bool]:
    # As a pair, and not as two conditions: only so an index is entered at this place.
    here = tuple_(value, seq)
    there = tuple_(literal(after[0], value.type), literal(after[1], seq.type))
    return here < there if order.descending else here > there


def _of_epoch(chosen: Selection) -> list[ColumnElement[bool]]:
    epoch = (SampleRow.target == chosen.target, SampleRow.epoch == chosen.epoch)
    return [*epoch, SampleRow.sentinel.is_(None)]


def _inside(chosen: Selection) -> list[ColumnElement[bool]]:
    """That a sample is of the groups."""
    if chosen.groups is None:
        return _of_epoch(chosen)
    return [SampleRow.group_key.in_(chosen.groups)]


def _meets(chosen: Selection) -> list[ColumnElement[bool]]:
    """The conditions beside the groups."""
    found = _within(chosen)
    if chosen.held_out is not None:
        found.append(_on_side(chosen, SampleRow.workload_key))
    return found


def _within(chosen: Selection) -> list[ColumnElement[bool]]:
    """The bounds of the latency."""
    found: list[ColumnElement[bool]] = []
    if chosen.min_ms is not None:
        found.append(SampleRow.latency_ms >= chosen.min_ms)
    if chosen.max_ms is not None:
        found.append(SampleRow.latency_ms <= chosen.max_ms)
    return found


def _on_side(chosen: Selection, key: Any) -> ColumnElement[bool]:
    return exists().where(
        SideRow.target == chosen.target,
        SideRow.epoch == chosen.epoch,
        SideRow.workload_key == key,
        SideRow.held_out == chosen.held_out,
    )
