"""The history of a target's sentinels."""

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

# The readings that define a level, oldest first, by epoch and sentinel.
LevelReadings = dict[tuple[int, str], list[SampleRow]]


def history(ctx: Context, target: str, limit: int) -> SentinelHistory:
    with ctx.db.read() as session:
        current_epoch = require_target(session, target).epoch
        rows = SampleRepository(session).sentinel_readings(target, limit)
        epochs = {current_epoch, *(row.epoch for row in rows)}
        first = SampleRepository(session).first_sentinel_readings(
            target, epochs, limit=LEVEL_READINGS
        )
    level_readings = _level_readings(first)
    current = {
        sentinel: [reading.latency_ms for reading in readings]
        for (epoch, sentinel), readings in level_readings.items()
        if epoch == current_epoch
    }
    return SentinelHistory(
        items=tuple(_reading(row, level_readings[row.epoch, str(row.sentinel)]) for row in rows),
        level_ms={
            name: ms for name, readings in current.items() if (ms := level(readings)) is not None
        },
        limit_pct={name: limit_pct(readings) for name, readings in current.items()},
    )


def _level_readings(first: Sequence[SampleRow]) -> LevelReadings:
    readings: LevelReadings = defaultdict(list)
    for row in first:
        readings[row.epoch, str(row.sentinel)].append(row)
    return readings


def _reading(row: SampleRow, level_readings: Sequence[SampleRow]) -> SentinelReading:
    level_ms = level(reading.latency_ms for reading in level_readings)
    defines_level = any(reading.seq == row.seq for reading in level_readings)
    return SentinelReading(
        sentinel=cast(Sentinel, row.sentinel),
        latency_ms=row.latency_ms,
        drift_pct=None
        if level_ms is None or defines_level
        else drift_pct(row.latency_ms, level_ms),
        disturbed=row.disturbed,
        measured_at=row.taken_at,
        epoch=row.epoch,
        session=row.session,
    )
