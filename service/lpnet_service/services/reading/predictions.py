"""Predictions over HTTP."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lpnet import errors
from lpnet.schemas.lpnet import Prediction, PredictionRequest, PredictionResponse
from lpnet.schemas.memory import MemoryPrediction
from lpnet.schemas.problem import FieldError
from lpnet_service.errors import DoesNotFit, NoLPNet, NotCovered, WidthsError
from lpnet_service.repositories.lpnets import LPNetRepository
from lpnet_service.services.learning import models
from lpnet_service.services.reading import breakdowns
from lpnet_service.services.shared import loaded_spaces, memory
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target

if TYPE_CHECKING:
    from torch import Tensor

    from lpnet.predictor.predictor import Predictor
    from lpnet.search.memory import Rooms


def predict(ctx: Context, asked: PredictionRequest) -> PredictionResponse:
    """Latency, interval and gradient of networks of a space.

    Raises NotFound for an unknown target or space, NoLPNet where none is active, NotCovered where
    it does not cover the space or batch, WidthsError for widths that the space does not have, and
    DoesNotFit where it is asked to refuse what does not fit.
    """
    with ctx.db.read() as session:
        target = require_target(session, asked.target)
        row = LPNetRepository(session).active(asked.target)
    vectors = _vectors(ctx, asked)
    if row is None:
        raise NoLPNet(asked.target)
    try:
        predictor = models.predictor(ctx, row, asked.space, None, asked.batch)
    except errors.NotCovered as error:
        raise NotCovered(str(error)) from error
    try:
        # What failed since the LPNet was trained counts too, and no more what fitted since.
        rooms = predictor.rooms.under(memory.limits(ctx, target))
        predictions = _predict(predictor, rooms, vectors, asked)
    except errors.WidthsError as error:
        raise WidthsError(str(error)) from error
    except errors.DoesNotFit as error:
        raise DoesNotFit(str(error)) from error
    return PredictionResponse(
        target=asked.target,
        lpnet=row.id,
        coverage=asked.coverage,
        predictions=predictions,
        dense=breakdowns.dense(predictor) if asked.breakdown else None,
    )


def _vectors(ctx: Context, asked: PredictionRequest) -> list[list[float]]:
    """Widths in the space's order. Raises WidthsError, naming `widths.i.name`."""
    limits = loaded_spaces.load_space(ctx, asked.space).limits[None]
    faults: list[FieldError] = []
    vectors: list[list[float]] = []
    for index, given in enumerate(asked.widths):
        if not isinstance(given, dict):
            faults += _length_faults(index, given, len(limits))
            vectors.append(list(given))
            continue
        wrong = [
            FieldError(field=f"widths.{index}.{f.field.removeprefix('widths.')}", reason=f.reason)
            for f in loaded_spaces.width_errors(limits, given)
        ]
        faults += wrong
        if not wrong:
            vectors.append([float(given[name]) for name in limits])
    if faults:
        raise WidthsError("widths that this space does not have", faults[:100])
    return vectors


def _length_faults(index: int, given: Sequence[float], wanted: int) -> list[FieldError]:
    if len(given) == wanted:
        return []
    reason = f"{len(given)} values, but the space has {wanted} widths"
    return [FieldError(field=f"widths.{index}", reason=reason)]


def _predict(
    predictor: Predictor, rooms: Rooms, vectors: list[list[float]], asked: PredictionRequest
) -> tuple[Prediction, ...]:
    import torch

    widths = torch.tensor(vectors, dtype=torch.float64)
    with torch.no_grad():
        ms = predictor(widths)
        low, high = predictor.interval(widths, asked.coverage)
    if asked.fitting:
        rooms.require(widths)
    fits = rooms.fits(widths) if rooms.limited else None
    gradient = _gradient(predictor, widths) if asked.gradient else None
    parts = breakdowns.of(predictor, widths) if asked.breakdown else None
    return tuple(
        Prediction(
            latency_ms=float(ms[i]),
            low_ms=float(low[i]),
            high_ms=float(high[i]),
            gradient=None
            if gradient is None
            else dict(zip(predictor.widths, gradient[i].tolist(), strict=True)),
            memory=None
            if fits is None
            else MemoryPrediction(verdict=fits[i].verdict, need_mib=fits[i].need_mib),
            breakdown=None if parts is None else parts[i],
        )
        for i in range(len(vectors))
    )


def _gradient(predictor: Predictor, widths: Tensor) -> Tensor:
    """ms per channel (B, L). Networks do not touch one another, so one backward pass does."""
    import torch

    leaf = widths.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(predictor(leaf).sum(), leaf)
    return gradient
