"""How far off an LPNet is on what was held out, workload by workload."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from pydantic import TypeAdapter

from lpnet.errors import LpnetError
from lpnet.model.op_types import FREE, unit_type
from lpnet.schemas.residual import (
    ErrorFigures,
    LatencyErrors,
    OpErrors,
    Residual,
    Residuals,
)
from lpnet.schemas.workload import Kind, OpsWorkload, SpaceWorkload, Workload
from lpnet.space.table import OpTable
from lpnet_service.db.rows import LPNetRow
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.spaces import SpaceRepository
from lpnet_service.repositories.workloads import WorkloadRepository
from lpnet_service.services.learning import lpnets, models
from lpnet_service.services.reading.predicted import predicted_ms, predicted_spread
from lpnet_service.services.shared import loaded_spaces
from lpnet_service.services.shared.context import Context

Sort = Literal["error", "latency_ms"]
MOST = 5_000
TENTHS = 10
COVERAGE = 0.9
_WORKLOAD: TypeAdapter[OpsWorkload | SpaceWorkload] = TypeAdapter(Workload)


def residuals(ctx: Context, id_: str, *, sort: Sort, limit: int) -> Residuals:
    """Of the LPNet with this id; `error` is the worst first. NotFound."""
    row = lpnets.row(ctx, id_)
    with ctx.db.read() as session:
        found = WorkloadRepository(session).held_out(row.target, row.epoch, MOST + 1)
        complete, found = len(found) <= MOST, found[:MOST]
        first = WorkloadRepository(session).first_samples(
            row.target, row.epoch, [held.key for held in found]
        )
        said = {held.key: _known(ctx, row, held) for held in found}
        new = [key for key, known in said.items() if known is None]
        bodies = SampleRepository(session).body_by_workload(row.target, row.epoch, new)
        names = SpaceRepository(session).names()
    said |= _new(ctx, row, bodies)
    factors = {kind: _factor(ctx, row, kind) for kind in get_args(Kind)} if found else {}
    items = []
    for held in found:
        known, (sample, draw) = said[held.key], first[held.key]
        assert known is not None
        ms, low, high = _interval(known, factors[held.kind])
        items.append(
            Residual(
                sample=sample,
                kind=held.kind,
                space=held.space,
                space_name=names.get(held.space or ""),
                block=held.block,
                draw=draw,
                ops=known.ops,
                measured_ms=held.latency_ms,
                predicted_ms=ms,
                error_pct=None if ms is None else 100.0 * (ms / held.latency_ms - 1.0),
                low_ms=low,
                high_ms=high,
            )
        )
    items.sort(key=_badness if sort == "error" else _latency)
    return Residuals(
        lpnet=row.id,
        target=row.target,
        epoch=row.epoch,
        coverage=COVERAGE,
        workloads=len(items),
        complete=complete,
        items=tuple(items[:limit]),
        by_op=_by_op(items),
        by_latency=_by_latency(items),
    )


def _badness(item: Residual) -> tuple[bool, float]:
    return item.error_pct is None, -abs(item.error_pct or 0.0)


def _latency(item: Residual) -> float:
    return item.measured_ms


@dataclass(frozen=True)
class _Said:
    """What an LPNet says of a workload, NaN where it does not cover it, and its types of op."""

    ms: float
    spread: float
    ops: tuple[str, ...]


def _known(ctx: Context, row: LPNetRow, held: Any) -> _Said | None:
    """What was worked out before; None where some of it was not."""
    key = (row.id, held.key)
    ms, spread = ctx.numbers.find(key), ctx.spreads.find(key)
    ops = ctx.op_types.find((held.space or held.key, held.block))
    return None if ms is None or spread is None or ops is None else _Said(ms, spread, ops)


def _new(ctx: Context, row: LPNetRow, bodies: Mapping[str, str]) -> dict[str, _Said]:
    """Work it out for workloads of which the samples are given, as JSON."""
    workloads = {
        key: _WORKLOAD.validate_python(json.loads(body)["workload"])
        for key, body in bodies.items()
    }
    ms, spreads = predicted_ms(ctx, row, workloads), predicted_spread(ctx, row, workloads)
    return {
        key: _Said(ms[key], spreads[key], _ops(ctx, key, workload))
        for key, workload in workloads.items()
    }


def _factor(ctx: Context, row: LPNetRow, kind: Kind) -> float | None:
    try:
        return models.lpnet(ctx, row.id).header.calibration.quantile(COVERAGE, kind)
    except LpnetError:  # it was never calibrated
        return None


def _interval(
    said: _Said, factor: float | None
) -> tuple[float | None, float | None, float | None]:
    """Milliseconds, and the ends of the interval; None for what is not known."""
    if not math.isfinite(said.ms):
        return None, None, None
    if factor is None:
        return said.ms, None, None
    apart = math.exp(factor * said.spread)
    return said.ms, said.ms / apart, said.ms * apart


def _ops(ctx: Context, key: str, workload: OpsWorkload | SpaceWorkload) -> tuple[str, ...]:
    if isinstance(workload, OpsWorkload):
        table = OpTable.from_ops(workload.ops)
        return ctx.op_types.get((key, None), lambda: _types(table))
    place = (workload.space, workload.block)
    return ctx.op_types.get(place, lambda: _types(_table(ctx, workload)))


def _table(ctx: Context, workload: SpaceWorkload) -> OpTable:
    whole = loaded_spaces.load_space(ctx, workload.space).space
    return whole.table if workload.block is None else whole.block(workload.block).table


def _types(table: OpTable) -> tuple[str, ...]:
    types = [unit_type(table, i) for i, row in enumerate(table.rows) if row.type != FREE]
    return tuple(dict.fromkeys(types))


def _by_op(items: Sequence[Residual]) -> tuple[OpErrors, ...]:
    errors: dict[tuple[str, Kind], list[float]] = defaultdict(list)
    for item in items:
        if item.error_pct is not None:
            for op in item.ops:
                errors[op, item.kind].append(item.error_pct)
    made = [
        OpErrors(op=op, kind=kind, **_figures(found).model_dump())
        for (op, kind), found in errors.items()
    ]
    return tuple(sorted(made, key=lambda figures: -figures.mape_pct))


def _by_latency(items: Sequence[Residual]) -> tuple[LatencyErrors, ...]:
    made = []
    for kind in get_args(Kind):
        judged = [item for item in items if item.kind == kind and item.error_pct is not None]
        judged.sort(key=_latency)
        for places in np.array_split(np.arange(len(judged)), TENTHS):
            part = [judged[place] for place in places]
            if part:
                made.append(
                    LatencyErrors(
                        kind=kind,
                        from_ms=part[0].measured_ms,
                        to_ms=part[-1].measured_ms,
                        **_figures([item.error_pct or 0.0 for item in part]).model_dump(),
                    )
                )
    return tuple(made)


def _figures(errors: Sequence[float]) -> ErrorFigures:
    found = np.array(errors)
    return ErrorFigures(
        workloads=len(found),
        mape_pct=float(np.abs(found).mean()),
        bias_pct=float(np.median(found)),
    )
