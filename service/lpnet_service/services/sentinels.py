"""How the sentinels of a target have been doing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import cast

from lpnet.schemas.condition import (
    LEVEL_READINGS,
    SentinelHistory,
    SentinelReading,
    drift_pct,
    level,
)
from lpnet.schemas.sample import Sentinel
from lpnet_service.db.rows import SampleRow
from lpnet_service.repositories import samples as samples_
from lpnet_service.services.context import Context
from lpnet_service.services.targets import found

# Readings that make a level, and their level in ms, by epoch and sentinel.
Levels = dict[tuple[int, str], tuple[set[int], float]]


def history(ctx: Context, target: str, limit: int) -> SentinelHistory:
    """The newest readings, and the levels of the current epoch. NotThere."""
    with ctx.db.read() as session:
        epoch = found(session, target).epoch
        rows = samples_.sentinels(session, target, limit)
        first = samples_.first_sentinels(
            session, target, {epoch, *(row.epoch for row in rows)}, most=LEVEL_READINGS
        )
    levels = _levels(first)
    return SentinelHistory(
        items=tuple(_reading(row, levels) for row in rows),
        level_ms={name: ms for (of, name), (_, ms) in levels.items() if of == epoch},
    )


def _levels(first: Sequence[SampleRow]) -> Levels:
    together: dict[tuple[int, str], list[SampleRow]] = defaultdict(list)
    for row in first:
        together[row.epoch, str(row.sentinel)].append(row)
    found_: Levels = {}
    for place, rows in together.items():
        ms = level(row.latency_ms for row in rows)
        if ms is not None:
            found_[place] = {row.seq for row in rows}, ms
    return found_


def _reading(row: SampleRow, levels: Levels) -> SentinelReading:
    makers, ms = levels.get((row.epoch, str(row.sentinel)), (set(), None))
    return SentinelReading(
        sentinel=cast(Sentinel, row.sentinel),
        latency_ms=row.latency_ms,
        drift_pct=None if ms is None or row.seq in makers else drift_pct(row.latency_ms, ms),
        disturbed=row.disturbed,
        measured_at=row.taken_at,
        epoch=row.epoch,
        session=row.session,
    )
