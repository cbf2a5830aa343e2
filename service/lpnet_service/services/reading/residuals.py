"""The errors of an LPNet on held-out workloads, one by one and in groups."""

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
from lpnet.model.op_types import FREE, kernel_type
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
MAX_WORKLOADS = 5_000
TENTHS = 10
COVERAGE = 0.9
_WORKLOAD: TypeAdapter[OpsWorkload | SpaceWorkload] = TypeAdapter(Workload)


def residuals(ctx: Context, id_: str, *, sort: Sort, limit: int) -> Residuals:
    row = lpnets.require_lpnet(ctx, id_)
    with ctx.db.read() as session:
        repository = WorkloadRepository(session)
        workloads = repository.held_out(row.target, row.epoch, MAX_WORKLOADS + 1)
        complete, workloads = len(workloads) <= MAX_WORKLOADS, workloads[:MAX_WORKLOADS]
        samples = repository.first_samples(row.target, row.epoch, [w.key for w in workloads])
        cached = {workload.key: _cached_output(ctx, row, workload) for workload in workloads}
        missing = [key for key, output in cached.items() if output is None]
        bodies = SampleRepository(session).body_by_workload(row.target, row.epoch, missing)
        names = SpaceRepository(session).names()
    outputs = cached | _compute_outputs(ctx, row, bodies)
    factors = {kind: _factor(ctx, row, kind) for kind in get_args(Kind)} if workloads else {}
    items = []
    for workload in workloads:
        output, (sample, draw) = outputs[workload.key], samples[workload.key]
        assert output is not None
        ms, low, high = _interval(output, factors[workload.kind])
        items.append(
            Residual(
                sample=sample,
                kind=workload.kind,
                space=workload.space,
                space_name=names.get(workload.space or ""),
                block=workload.block,
                draw=draw,
                ops=output.ops,
                measured_ms=workload.latency_ms,
                predicted_ms=ms,
                error_pct=None if ms is None else 100.0 * (ms / workload.latency_ms - 1.0),
                low_ms=low,
                high_ms=high,
            )
        )
    items.sort(key=_largest_error_first if sort == "error" else _latency)
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


def _largest_error_first(item: Residual) -> tuple[bool, float]:
    return item.error_pct is None, -abs(item.error_pct or 0.0)


def _latency(item: Residual) -> float:
    return item.measured_ms


@dataclass(frozen=True)
class _Output:
    """The prediction for a workload, NaN if the LPNet does not cover it, and its op types."""

    ms: float
    spread: float
    ops: tuple[str, ...]


def _cached_output(ctx: Context, row: LPNetRow, workload: Any) -> _Output | None:
    key = (row.id, workload.key)
    ms, spread = ctx.numbers.find(key), ctx.spreads.find(key)
    ops = ctx.op_types.find((workload.space or workload.key, workload.block))
    return None if ms is None or spread is None or ops is None else _Output(ms, spread, ops)


def _compute_outputs(ctx: Context, row: LPNetRow, bodies: Mapping[str, str]) -> dict[str, _Output]:
    workloads = {
        key: _WORKLOAD.validate_python(json.loads(body)["workload"])
        for key, body in bodies.items()
    }
    ms, spreads = predicted_ms(ctx, row, workloads), predicted_spread(ctx, row, workloads)
    return {
        key: _Output(ms[key], spreads[key], _op_types(ctx, key, workload))
        for key, workload in workloads.items()
    }


def _factor(ctx: Context, row: LPNetRow, kind: Kind) -> float | None:
    try:
        return models.lpnet(ctx, row.id).header.calibration.quantile(COVERAGE, kind)
    except LpnetError:  # never calibrated
        return None


def _interval(
    output: _Output, factor: float | None
) -> tuple[float | None, float | None, float | None]:
    if not math.isfinite(output.ms):
        return None, None, None
    if factor is None:
        return output.ms, None, None
    ratio = math.exp(factor * output.spread)
    return output.ms, output.ms / ratio, output.ms * ratio


def _op_types(ctx: Context, key: str, workload: OpsWorkload | SpaceWorkload) -> tuple[str, ...]:
    if isinstance(workload, OpsWorkload):
        table = OpTable.from_ops(workload.ops)
        return ctx.op_types.get((key, None), lambda: _types_in(table))
    block = (workload.space, workload.block)
    return ctx.op_types.get(block, lambda: _types_in(_table(ctx, workload)))


def _table(ctx: Context, workload: SpaceWorkload) -> OpTable:
    space = loaded_spaces.load_space(ctx, workload.space).space
    return space.table if workload.block is None else space.block(workload.block).table


def _types_in(table: OpTable) -> tuple[str, ...]:
    types = [kernel_type(table, i) for i, row in enumerate(table.rows) if row.type != FREE]
    return tuple(dict.fromkeys(types))


def _by_op(items: Sequence[Residual]) -> tuple[OpErrors, ...]:
    errors: dict[tuple[str, Kind], list[float]] = defaultdict(list)
    for item in items:
        if item.error_pct is not None:
            for op in item.ops:
                errors[op, item.kind].append(item.error_pct)
    groups = [
        OpErrors(op=op, kind=kind, **_figures(group).model_dump())
        for (op, kind), group in errors.items()
    ]
    return tuple(sorted(groups, key=lambda group: -group.mape_pct))


def _by_latency(items: Sequence[Residual]) -> tuple[LatencyErrors, ...]:
    groups = []
    for kind in get_args(Kind):
        predicted = [item for item in items if item.kind == kind and item.error_pct is not None]
        predicted.sort(key=_latency)
        for indices in np.array_split(np.arange(len(predicted)), TENTHS):
            tenth = [predicted[index] for index in indices]
            if tenth:
                groups.append(
                    LatencyErrors(
                        kind=kind,
                        from_ms=tenth[0].measured_ms,
                        to_ms=tenth[-1].measured_ms,
                        **_figures([item.error_pct or 0.0 for item in tenth]).model_dump(),
                    )
                )
    return tuple(groups)


def _figures(errors_pct: Sequence[float]) -> ErrorFigures:
    errors = np.array(errors_pct)
    return ErrorFigures(
        workloads=len(errors),
        mape_pct=float(np.abs(errors).mean()),
        bias_pct=float(np.median(errors)),
    )
