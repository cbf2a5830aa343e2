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

if TYPE_CHECKING:
    from lpnet.predictor.line import Line
    from lpnet.predictor.predictor import Predictor

MAX_VALUES = 8192
_MOST_POINTS = 5000


@dataclass(frozen=True)
class _Course:
    """What is drawn: a workload, and the values that one of its widths takes."""

    workload: SpaceWorkload
    width: str
    values: Sequence[int]
    keys: Sequence[str]
    coverage: float


def curves(ctx: Context, asked: CurveRequest) -> CurveResponse:
    """The line of each target, in their order; one that has none says why.

    Raises NotFound for an unknown space, BadRequest for a block or width that it does not have and
    for more than MAX_VALUES values, WidthsError for other widths that it does not have.
    """
    course = _course(ctx, asked)
    rest = {name: value for name, value in course.workload.widths.items() if name != asked.width}
    return CurveResponse(
        space=asked.space,
        block=asked.block,
        width=asked.width,
        at=rest,
        batch=asked.batch,
        coverage=asked.coverage,
        values=tuple(course.values),
        curves=tuple(_curve(ctx, target, course) for target in asked.targets),
    )


def _course(ctx: Context, asked: CurveRequest) -> _Course:
    limits = loaded_spaces.load_space(ctx, asked.space).limits.get(asked.block)
    if limits is None:
        raise _wrong("block", f"the space has no block {asked.block!r}")
    if asked.width not in limits:
        raise _wrong("width", f"there is no such width; there are {', '.join(limits)}")
    most, granule = limits[asked.width]
    values = range(granule, most + 1, granule)
    if len(values) > MAX_VALUES:
        raise _wrong("width", f"it has {len(values)} values; at most {MAX_VALUES} are drawn")
    dense = {name: limit for name, (limit, _) in limits.items()}
    widths = dense | (asked.at or {}) | {asked.width: most}
    faults = [
        FieldError(field=f"at.{fault.field.removeprefix('widths.')}", reason=fault.reason)
        for fault in loaded_spaces.width_errors(limits, widths)
    ]
    if faults:
        raise WidthsError("`at` holds widths that this space does not have", faults[:100])
    workload = SpaceWorkload(
        space=asked.space, block=asked.block, widths=widths, batch=asked.batch
    )
    keys = keys_along(workload, asked.width, values)
    return _Course(workload, asked.width, values, keys, asked.coverage)


def _wrong(field: str, reason: str) -> BadRequest:
    return BadRequest(f"{field}: {reason}", [FieldError(field=field, reason=reason)])


def _curve(ctx: Context, name: str, course: _Course) -> TargetCurve:
    try:
        with ctx.db.read() as session:
            target = require_target(session, name)
            row = LPNetRepository(session).active(name)
            noise = noise_floor_pct_of(session, target)
            rows = SampleRepository(session).latest_trainable(
                name, target.epoch, course.keys, _MOST_POINTS
            )
            keys = list({one.workload_key for one in rows})
            sides = SideRepository(session).of_keys(name, target.epoch, keys)
    except NotFound as error:
        return _empty(name, error)
    bodies = [(one.id, Sample.model_validate_json(one.body_json)) for one in rows]
    points = sorted(
        (_point(id_, sample, course.width, sides) for id_, sample in bodies),
        key=lambda point: point.width,
    )
    try:
        line, advice = _line(ctx, target, row, course, noise)
    except ServiceError as error:
        return _empty(name, error).model_copy(
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


def _empty(name: str, error: ServiceError) -> TargetCurve:
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
    ctx: Context, target: TargetRow, row: LPNetRow | None, course: _Course, noise: float | None
) -> tuple[CurveLine, tuple[Advice, ...]]:
    """What the LPNet says, and what follows. Raises NoLPNet, NotCovered."""
    if row is None:
        raise NoLPNet(target.name)
    workload = course.workload
    try:
        predictor = models.predictor(ctx, row, workload.space, workload.block, workload.batch)
    except errors.NotCovered as error:
        raise NotCovered(str(error)) from error
    line = predictor.line(course.width, workload.widths, course.coverage)
    fitting = _fitting(ctx, target, predictor, course)
    advice = advise(
        course.values[:fitting],
        line.ms[:fitting].numpy(),
        line.touched_low[:fitting].numpy(),
        line.touched_high[:fitting].numpy(),
        noise,
    )
    too_large = course.values[fitting] if fitting < len(course.values) else None
    return _wire(row, line, too_large), advice


def _fitting(ctx: Context, target: TargetRow, predictor: Predictor, course: _Course) -> int:
    """How many of the values fit in the target's memory, as far as is known: what a network takes
    grows with each of its widths."""
    import torch

    rooms = predictor.rooms.under(memory.limits(ctx, target))
    if not rooms.limited:
        return len(course.values)
    base = torch.tensor([float(course.workload.widths[name]) for name in predictor.widths])
    rows = base.double().repeat(len(course.values), 1)
    rows[:, predictor.widths.index(course.width)] = torch.tensor(course.values).double()
    return int(rooms.holds(rows).sum())


def _wire(row: LPNetRow, line: Line, too_large: int | None) -> CurveLine:
    return CurveLine(
        lpnet=row.id,
        latency_ms=tuple(line.ms.tolist()),
        low_ms=tuple(line.low.tolist()),
        high_ms=tuple(line.high.tolist()),
        envelope_ms=tuple(line.envelope.tolist()),
        fast=tuple(line.fast.tolist()),
        too_large_from=too_large,
    )
