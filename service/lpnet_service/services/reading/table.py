"""The latency table of a target: measured workloads beside the predictions of its LPNet."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from lpnet.schemas.sample import Conditions, Sample
from lpnet.schemas.table import BriefConditions, TablePage, TableRow
from lpnet_service.db.rows import SampleRow
from lpnet_service.repositories.latency_tables import LatencyTableRepository, Order
from lpnet_service.repositories.lpnets import LPNetRepository
from lpnet_service.repositories.sides import SideRepository
from lpnet_service.repositories.spaces import SpaceRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.reading.predicted import predicted_ms
from lpnet_service.services.reading.selection import Filters, select
from lpnet_service.services.shared import cursors
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import noise_floor_of, require_target

Sort = Literal["measured_at", "-measured_at", "latency_ms", "-latency_ms"]
_SAMPLE_FIELDS = (
    *("kind", "workload", "draw", "session", "latency_ms", "std_ms", "min_ms", "p10_ms"),
    *("p90_ms", "count", "disturbed", "reasons", "measured_at"),
)


def page(
    ctx: Context,
    target: str,
    filters: Filters,
    *,
    sort: Sort,
    after: str | None,
    limit: int,
    epoch: int | None = None,
) -> TablePage:
    by_time = sort.endswith("measured_at")
    parse_value = cursors.parse_time if by_time else cursors.parse_number
    cursor = cursors.parse_cursor(after, sort, parse_value, int)
    back = cursor is not None and cursor.back
    column = SampleRow.taken_at if by_time else SampleRow.latency_ms
    order = Order(column, descending=sort.startswith("-") != back)
    position = None if cursor is None else (cursor.value, cursor.tie)
    with ctx.db.read() as session:
        row = require_target(session, target)
        epoch = row.epoch if epoch is None else epoch
        selected = select(session, row.name, epoch, filters)
        rows = LatencyTableRepository(session).page(
            selected.selection, order, position, limit + 1, selected.few
        )
        cut = cursors.cut_page(rows, sort, cursor, limit, _by_time if by_time else _by_latency)
        keys = [sample.workload_key for sample in cut.rows]
        sides = SideRepository(session).of_keys(row.name, epoch, keys)
        lpnet = LPNetRepository(session).active(row.name)
        epoch_row = TallyRepository(session).get_epoch(row.name, epoch)
        names = SpaceRepository(session).names()
    floor = noise_floor_of(epoch_row)
    samples = [Sample.model_validate_json(sample.body_json) for sample in cut.rows]
    workloads = {key: sample.workload for key, sample in zip(keys, samples, strict=True)}
    predicted = predicted_ms(ctx, lpnet, workloads) if lpnet else {}
    return TablePage(
        target=target,
        epoch=epoch,
        lpnet=lpnet.id if lpnet else None,
        noise_floor_pct=floor.pct,
        noise_floor_reason=floor.reason,
        matching=selected.matching,
        matching_exact=selected.exact,
        items=_rows(cut.rows, samples, names, sides, predicted, floor.pct),
        next=cut.next,
        previous=cut.previous,
    )


def _by_time(row: SampleRow) -> tuple[str, int]:
    return row.taken_at.isoformat(), row.seq


def _by_latency(row: SampleRow) -> tuple[float, int]:
    return row.latency_ms, row.seq


def _rows(
    rows: Sequence[SampleRow],
    samples: Sequence[Sample],
    names: Mapping[str, str],
    sides: Mapping[str, bool],
    predicted: Mapping[str, float],
    noise: float | None,
) -> tuple[TableRow, ...]:
    return tuple(
        TableRow(
            **_measured_fields(sample),
            **_predicted_fields(sample.latency_ms, predicted.get(row.workload_key, math.nan)),
            id=row.id,
            epoch=row.epoch,
            space_name=names.get(row.space or ""),
            held_out=sides.get(row.workload_key),
            noise_floor_pct=noise,
        )
        for row, sample in zip(rows, samples, strict=True)
    )


def _measured_fields(sample: Sample) -> dict[str, Any]:
    fields: dict[str, Any] = {name: getattr(sample, name) for name in _SAMPLE_FIELDS}
    return fields | {"conditions": _brief(sample.conditions)}


def _brief(conditions: Conditions | None) -> BriefConditions | None:
    if conditions is None:
        return None
    return BriefConditions(
        **{name: getattr(conditions, name) for name in BriefConditions.model_fields}
    )


def _predicted_fields(measured: float, predicted: float) -> dict[str, float | None]:
    if not math.isfinite(predicted):
        return {"predicted_ms": None, "error_pct": None}
    return {"predicted_ms": predicted, "error_pct": 100.0 * (predicted / measured - 1.0)}
