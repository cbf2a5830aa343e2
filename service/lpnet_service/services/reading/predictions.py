"""Predictions over HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
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
from lpnet_service.services.shared.width_limits import width_errors

if TYPE_CHECKING:
    from torch import Tensor

    from lpnet.predictor.predictor import Predictor
    from lpnet.search.memory import TargetMemories

# Networks that are predicted at once. A gradient of ResNet-50 takes more than a megabyte for each,
# and larger pieces, which do not stay in the caches, are slower.
PIECE = 32


def predict(ctx: Context, request: PredictionRequest) -> PredictionResponse:
    """Latency, interval and gradient of networks of a space.

    Raises NoLPNet if no LPNet is active, NotCovered if it does not cover the space or batch,
    WidthsError for widths that the space does not have, and DoesNotFit if the request excludes
    networks that do not fit in memory.
    """
    with ctx.db.read() as session:
        target = require_target(session, request.target)
        row = LPNetRepository(session).active(request.target)
    vectors = _vectors(ctx, request)
    if row is None:
        raise NoLPNet(request.target)
    try:
        predictor = models.predictor(ctx, row, request.space, None, request.batch)
    except errors.NotCovered as error:
        raise NotCovered(str(error)) from error
    try:
        # With the current limits: they may have changed since the LPNet was trained.
        memories = predictor.memories.with_limits(memory.limits(ctx, target))
        predictions = _predict(predictor, memories, vectors, request)
    except errors.WidthsError as error:
        raise WidthsError(str(error)) from error
    except errors.DoesNotFit as error:
        raise DoesNotFit(str(error)) from error
    return PredictionResponse(
        target=request.target,
        lpnet=row.id,
        coverage=request.coverage,
        predictions=predictions,
        dense=breakdowns.dense_network(predictor) if request.breakdown else None,
    )


def _vectors(ctx: Context, request: PredictionRequest) -> list[list[float]]:
    """Widths in the order of the space. Raises WidthsError naming `widths.i.name`."""
    limits = loaded_spaces.load_space(ctx, request.space).limits[None]
    errors: list[FieldError] = []
    vectors: list[list[float]] = []
    for index, widths in enumerate(request.widths):
        if not isinstance(widths, dict):
            errors += _length_errors(index, widths, len(limits))
            vectors.append(list(widths))
            continue
        # A width without a value is dense.
        widths = {name: width for name, (width, _) in limits.items()} | widths
        own_errors = [
            FieldError(field=f"widths.{index}.{f.field.removeprefix('widths.')}", reason=f.reason)
            for f in width_errors(limits, widths)
        ]
        errors += own_errors
        if not own_errors:
            vectors.append([float(widths[name]) for name in limits])
    if errors:
        raise WidthsError("widths that this space does not have", errors[:100])
    return vectors


def _length_errors(index: int, widths: Sequence[float], expected: int) -> list[FieldError]:
    if len(widths) == expected:
        return []
    reason = f"{len(widths)} values, but the space has {expected} widths"
    return [FieldError(field=f"widths.{index}", reason=reason)]


def _predict(
    predictor: Predictor,
    memories: TargetMemories,
    vectors: list[list[float]],
    request: PredictionRequest,
) -> tuple[Prediction, ...]:
    import torch

    widths = torch.tensor(vectors, dtype=torch.float64)
    if request.fitting:
        memories.require(widths)
    pieces = (_predict_piece(predictor, memories, p, request) for p in torch.split(widths, PIECE))
    return tuple(chain.from_iterable(pieces))


def _predict_piece(
    predictor: Predictor, memories: TargetMemories, widths: Tensor, request: PredictionRequest
) -> Iterator[Prediction]:
    import torch

    ms, gradient = _with_gradient(predictor, widths) if request.gradient else (None, None)
    with torch.no_grad():
        ms = predictor(widths) if ms is None else ms
        low, high = predictor.interval(widths, request.coverage)
    fits = memories.fits(widths) if memories.limited else None
    parts = breakdowns.compute(predictor, widths) if request.breakdown else None
    for i in range(len(widths)):
        yield Prediction(
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


def _with_gradient(predictor: Predictor, widths: Tensor) -> tuple[Tensor, Tensor]:
    """ms (B,), and ms per channel (B, L). One backward pass suffices: the networks are
    independent."""
    import torch

    leaf = widths.clone().requires_grad_()
    ms = predictor(leaf)
    (gradient,) = torch.autograd.grad(ms.sum(), leaf)
    return ms.detach(), gradient
