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
    limit_pct,
)
from lpnet.schemas.sample import Sentinel
from lpnet_service.db.rows import SampleRow
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target

# Readings that make a level, oldest first, by epoch and sentinel.
Makers = dict[tuple[int, str], list[SampleRow]]


def history(ctx: Context, target: str, limit: int) -> SentinelHistory:
    """The newest readings, and the levels of the current epoch. NotFound."""
    with ctx.db.read() as session:
        epoch = require_target(session, target).epoch
        rows = SampleRepository(session).sentinel_readings(target, limit)
        first = SampleRepository(session).first_sentinel_readings(
            target, {epoch, *(row.epoch for row in rows)}, most=LEVEL_READINGS
        )
    makers = _makers(first)
    now = {
        name: [row.latency_ms for row in of] for (at, name), of in makers.items() if at == epoch
    }
    return SentinelHistory(
        items=tuple(_reading(row, makers[row.epoch, str(row.sentinel)]) for row in rows),
        level_ms={name: ms for name, made in now.items() if (ms := level(made)) is not None},
        limit_pct={name: limit_pct(made) for name, made in now.items()},
    )


def _makers(first: Sequence[SampleRow]) -> Makers:
    together: Makers = defaultdict(list)
    for row in first:
        together[row.epoch, str(row.sentinel)].append(row)
    return together


def _reading(row: SampleRow, makers: Sequence[SampleRow]) -> SentinelReading:
    ms = level(maker.latency_ms for maker in makers)
    makes_level = any(maker.seq == row.seq for maker in makers)
    return SentinelReading(
        sentinel=cast(Sentinel, row.sentinel),
        latency_ms=row.latency_ms,
        drift_pct=None if ms is None or makes_level else drift_pct(row.latency_ms, ms),
        disturbed=row.disturbed,
        measured_at=row.taken_at,
        epoch=row.epoch,
        session=row.session,
    )
