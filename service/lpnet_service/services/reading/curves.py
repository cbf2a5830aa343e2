"""Curves: latency against one width, predicted and measured, on one or several targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lpnet import errors
from lpnet.predictor.advice import advise, same_within_pct
from lpnet.schemas.curve import (
    Advice,
    CurveLine,
    CurvePoint,
    CurveRequest,
    CurveResponse,
    TargetCurve,
)
from lpnet.schemas.problem import FieldError, Problem
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload, keys_along, workload_key
from lpnet_service.db.rows import LPNetRow, TargetRow
from lpnet_service.errors import (
    BadRequest,
    NoLPNet,
    NotCovered,
    NotFound,
    ServiceError,
    WidthsError,
)
from lpnet_service.repositories.lpnets import LPNetRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.repositories.sides import SideRepository
from lpnet_service.services.learning import models
from lpnet_service.services.shared import loaded_spaces, memory
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import noise_floor_pct_of, require_target
from lpnet_service.services.shared.width_limits import width_errors

if TYPE_CHECKING:
    from lpnet.predictor.line import Line
    from lpnet.predictor.predictor import Predictor

MAX_VALUES = 8192
_MAX_POINTS = 5000


@dataclass(frozen=True)
class _Sweep:
    """A workload, and the values that one of its widths takes."""

    workload: SpaceWorkload
    width: str
    values: Sequence[int]
    keys: Sequence[str]
    coverage: float


def curves(ctx: Context, request: CurveRequest) -> CurveResponse:
    """The curve of each target, in their order; a target without a curve has a `problem` instead.

    Raises BadRequest for an unknown block or width, or a width with more than MAX_VALUES values;
    WidthsError for wrong values in `at`.
    """
    sweep = _sweep(ctx, request)
    fixed = {name: value for name, value in sweep.workload.widths.items() if name != request.width}
    return CurveResponse(
        space=request.space,
        block=request.block,
        width=request.width,
        at=fixed,
        batch=request.batch,
        coverage=request.coverage,
        values=tuple(sweep.values),
        curves=tuple(_curve(ctx, target, sweep) for target in request.targets),
    )


def _sweep(ctx: Context, request: CurveRequest) -> _Sweep:
    limits = loaded_spaces.load_space(ctx, request.space).limits.get(request.block)
    if limits is None:
        raise _bad_request("block", f"the space has no block {request.block!r}")
    if request.width not in limits:
        raise _bad_request("width", f"there is no such width, only {', '.join(limits)}")
    max_width, granule = limits[request.width]
    values = range(granule, max_width + 1, granule)
    if len(values) > MAX_VALUES:
        raise _bad_request("width", f"it must have at most {MAX_VALUES} values, got {len(values)}")
    dense = {name: limit for name, (limit, _) in limits.items()}
    widths = dense | (request.at or {}) | {request.width: max_width}
    errors = [
        FieldError(field=f"at.{error.field.removeprefix('widths.')}", reason=error.reason)
        for error in width_errors(limits, widths)
    ]
    if errors:
        raise WidthsError("`at` holds widths that this space does not have", errors[:100])
    workload = SpaceWorkload(
        space=request.space, block=request.block, widths=widths, batch=request.batch
    )
    keys = keys_along(workload, request.width, values)
    return _Sweep(workload, request.width, values, keys, request.coverage)


def _bad_request(field: str, reason: str) -> BadRequest:
    return BadRequest(f"{field}: {reason}", [FieldError(field=field, reason=reason)])


def _curve(ctx: Context, name: str, sweep: _Sweep) -> TargetCurve:
    try:
        with ctx.db.read() as session:
            target = require_target(session, name)
            lpnet = LPNetRepository(session).active(name)
            noise = noise_floor_pct_of(session, target)
            rows = SampleRepository(session).latest_trainable(
                name, target.epoch, sweep.keys, _MAX_POINTS
            )
            keys = list({row.workload_key for row in rows})
            sides = SideRepository(session).of_keys(name, target.epoch, keys)
    except NotFound as error:
        return _without_line(name, error)
    bodies = [(row.id, Sample.model_validate_json(row.body_json)) for row in rows]
    points = sorted(
        (_point(id_, sample, sweep.width, sides) for id_, sample in bodies),
        key=lambda point: point.width,
    )
    try:
        line, advice = _line(ctx, target, lpnet, sweep, noise)
    except ServiceError as error:
        return _without_line(name, error).model_copy(
            update={"points": tuple(points), "noise_floor_pct": noise}
        )
    return TargetCurve(
        target=name,
        problem=None,
        line=line,
        points=tuple(points),
        same_within_pct=same_within_pct(noise),
        noise_floor_pct=noise,
        advice=advice,
    )


def _without_line(name: str, error: ServiceError) -> TargetCurve:
    problem = Problem(title=error.title, status=error.status, code=error.code, detail=error.detail)
    return TargetCurve(
        target=name,
        problem=problem,
        line=None,
        points=(),
        same_within_pct=None,
        noise_floor_pct=None,
        advice=(),
    )


def _point(id_: str, sample: Sample, width: str, sides: dict[str, bool]) -> CurvePoint:
    workload = sample.workload
    assert isinstance(workload, SpaceWorkload)
    return CurvePoint(
        width=workload.widths[width],
        sample=id_,
        latency_ms=sample.latency_ms,
        p10_ms=sample.p10_ms,
        p90_ms=sample.p90_ms,
        std_ms=sample.std_ms,
        held_out=sides.get(workload_key(workload)),
        measured_at=sample.measured_at,
    )


def _line(
    ctx: Context, target: TargetRow, lpnet: LPNetRow | None, sweep: _Sweep, noise: float | None
) -> tuple[CurveLine, tuple[Advice, ...]]:
    """The predicted line, and the advice that follows. Raises NoLPNet, NotCovered."""
    if lpnet is None:
        raise NoLPNet(target.name)
    workload = sweep.workload
    try:
        predictor = models.predictor(ctx, lpnet, workload.space, workload.block, workload.batch)
    except errors.NotCovered as error:
        raise NotCovered(str(error)) from error
    line = predictor.line(sweep.width, workload.widths, sweep.coverage)
    fitting = _count_fitting(ctx, target, predictor, sweep)
    advice = advise(
        sweep.values[:fitting],
        line.ms[:fitting].numpy(),
        line.touched_low[:fitting].numpy(),
        line.touched_high[:fitting].numpy(),
        noise,
    )
    too_large = sweep.values[fitting] if fitting < len(sweep.values) else None
    return _curve_line(lpnet, line, too_large), advice


def _count_fitting(ctx: Context, target: TargetRow, predictor: Predictor, sweep: _Sweep) -> int:
    """How many of the ascending values fit in the target's memory, as far as is known. Memory use
    grows with every width."""
    import torch

    memories = predictor.memories.with_limits(memory.limits(ctx, target))
    if not memories.limited:
        return len(sweep.values)
    base = torch.tensor([float(sweep.workload.widths[name]) for name in predictor.widths])
    rows = base.double().repeat(len(sweep.values), 1)
    rows[:, predictor.widths.index(sweep.width)] = torch.tensor(sweep.values).double()
    return int(memories.may_fit(rows).sum())


def _curve_line(lpnet: LPNetRow, line: Line, too_large: int | None) -> CurveLine:
    return CurveLine(
        lpnet=lpnet.id,
        latency_ms=tuple(line.ms.tolist()),
        low_ms=tuple(line.low.tolist()),
        high_ms=tuple(line.high.tolist()),
        envelope_ms=tuple(line.envelope.tolist()),
        fast=tuple(line.fast.tolist()),
        too_large_from=too_large,
    )
