"""Pages of a latency table of any size: some samples of an epoch, in order.

Every way taken here reads about as many index entries as a page has rows and its selection has
groups of samples, or walks an index of the epoch that holds what is asked for. Which way that is
depends on how many rows match. What no index knows, the side of a workload, is looked up for some
thousand rows at most.
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
_STREAMS = 200


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


class LatencyTableRepository:
    """Counts and pages of the samples of a Selection."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def count(self, chosen: Selection, inside: int) -> tuple[int, bool]:
        """How many samples match, and whether these are all: EXACT are looked at, those of `others`
        beside. `inside`: how many the groups have."""
        if chosen.held_out is None:
            looked = select(literal(1)).where(*_inside(chosen), *_within(chosen)).limit(EXACT + 1)
            query = select(func.count()).select_from(looked.subquery())
            looked_at = found = self._session.scalar(query) or 0
        else:
            some = _keys(chosen, inside).limit(EXACT + 1).subquery()
            held = case((_on_side(chosen, some.c.key), 1), else_=0)
            sides = select(func.count(), func.coalesce(func.sum(held), 0)).select_from(some)
            looked_at, found = self._session.execute(sides).one()
        if chosen.others:
            query = select(func.count()).where(SampleRow.seq.in_(chosen.others), *_meets(chosen))
            found += self._session.scalar(query) or 0
        return min(int(found), EXACT), looked_at <= EXACT

    def page(
        self,
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
            found += [(value, seq) for value, seq in self._session.execute(stream)]
        found.sort(reverse=order.descending)
        numbers = [seq for _, seq in found[:limit]]
        rows = self._session.scalars(select(SampleRow).where(SampleRow.seq.in_(numbers)))
        by_number = {row.seq: row for row in rows}
        return [by_number[number] for number in numbers if number in by_number]


def _keys(chosen: Selection, inside: int) -> Any:
    """The workloads of samples that match but for the side. Of many samples in the order of the
    keys: an index has all that is asked then, and the sides lie in the same order."""
    key = select(SampleRow.workload_key.label("key"))
    if chosen.ranged or inside <= EXACT:
        return key.where(*_inside(chosen), *_within(chosen))
    return key.where(*_grouped(chosen)).order_by(SampleRow.workload_key)


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
    is_across = chosen.ranged and order.column is not SampleRow.latency_ms
    if few and is_across:
        # All that match, by latency, then sorted; in the order asked for they may be far apart.
        found = _pairs(order, *_inside(chosen), *_meets(chosen))
        held = found.cte("found").prefix_with("MATERIALIZED")
        value, seq = held.c.value, held.c.seq
        query = select(value, seq)
        if after is not None:
            query = query.where(_beyond(value, seq, order, after))
        yield _sorted(query, value, seq, order, limit)
    elif chosen.groups is None or is_across or len(chosen.groups) > _STREAMS:
        yield _ordered(_pairs(order, *here, *_walked(chosen, is_across)), order, limit)
    else:
        yield _merged(chosen, order, here, limit)


def _walked(chosen: Selection, is_across: bool) -> list[ColumnElement[bool]]:
    """Conditions for reading an epoch in order until enough rows meet them."""
    # As an expression where rows are not in its order: by its index all that match would be read,
    # and sorted.
    latency = SampleRow.latency_ms + 0.0 if is_across else SampleRow.latency_ms
    return [*_grouped(chosen), *_within(chosen, latency), *_sided(chosen)]


def _grouped(chosen: Selection) -> list[ColumnElement[bool]]:
    if chosen.groups is None:
        return _of_epoch(chosen)
    # As an expression, for the same reason.
    return [*_of_epoch(chosen), (SampleRow.group_key + 0).in_(chosen.groups)]


def _merged(
    chosen: Selection, order: Order, here: Sequence[ColumnElement[bool]], limit: int
) -> Any:
    """The groups side by side, each in order: engines merge them, and read no more of a group
    than is taken from it."""
    parts = []
    for key in chosen.groups or ():
        mine = _pairs(order, *here, SampleRow.group_key == key, *_meets(chosen))
        # Without a limit of its own, which would have to be reached before any row is taken.
        parts.append(select(_by(mine, order.column, SampleRow.seq, order).subquery()))
    together = union_all(*parts).subquery()
    query = select(together.c.value, together.c.seq)
    return _sorted(query, together.c.value, together.c.seq, order, limit)


def _pairs(order: Order, *where: ColumnElement[bool]) -> Select[Any, int]:
    return select(order.column.label("value"), SampleRow.seq).where(*where)


def _ordered(query: Select[Any, int], order: Order, limit: int) -> Any:
    return _sorted(query, order.column, SampleRow.seq, order, limit)


def _sorted(query: Any, value: Any, seq: Any, order: Order, limit: int) -> Any:
    return _by(query, value, seq, order).limit(limit)


def _by(query: Any, value: Any, seq: Any, order: Order) -> Any:
    if order.descending:
        return query.order_by(value.desc(), seq.desc())
    return query.order_by(value, seq)


def _behind(order: Order, after: tuple[Any, int] | None) -> list[ColumnElement[bool]]:
    return [] if after is None else [_beyond(order.column, SampleRow.seq, order, after)]


def _beyond(value: Any, seq: Any, order: Order, after: tuple[Any, int]) -> ColumnElement[bool]:
    # As a pair, and not as two conditions: only so an index is entered at this place.
    here = tuple_(value, seq)
    there = tuple_(literal(after[0], value.type), literal(after[1], seq.type))
    return here < there if order.descending else here > there


def _of_epoch(chosen: Selection) -> list[ColumnElement[bool]]:
    # Sentinels are in no group.
    epoch = (SampleRow.target == chosen.target, SampleRow.epoch == chosen.epoch)
    return [*epoch, SampleRow.group_key.is_not(None)]


def _inside(chosen: Selection) -> list[ColumnElement[bool]]:
    """That a sample is of the groups."""
    if chosen.groups is None:
        return _of_epoch(chosen)
    return [SampleRow.group_key.in_(chosen.groups)]


def _meets(chosen: Selection) -> list[ColumnElement[bool]]:
    """The conditions beside the groups."""
    return [*_within(chosen), *_sided(chosen)]


def _within(chosen: Selection, latency: Any = SampleRow.latency_ms) -> list[ColumnElement[bool]]:
    """The bounds of the latency."""
    found: list[ColumnElement[bool]] = []
    if chosen.min_ms is not None:
        found.append(latency >= chosen.min_ms)
    if chosen.max_ms is not None:
        found.append(latency <= chosen.max_ms)
    return found


def _sided(chosen: Selection) -> list[ColumnElement[bool]]:
    if chosen.held_out is None:
        return []
    return [_on_side(chosen, SampleRow.workload_key)]


def _on_side(chosen: Selection, key: Any) -> ColumnElement[bool]:
    return exists().where(
        SideRow.target == chosen.target,
        SideRow.epoch == chosen.epoch,
        SideRow.workload_key == key,
        SideRow.held_out == chosen.held_out,
    )
