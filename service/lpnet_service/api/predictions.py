"""Predictions."""

from __future__ import annotations

from fastapi import APIRouter

from lpnet.schemas.lpnet import PredictionRequest, PredictionResponse
from lpnet_service.api.access import Reader
from lpnet_service.api.deps import Ctx, StrictRoute
from lpnet_service.api.problems import problems
from lpnet_service.services.reading import predictions

router = APIRouter(prefix="/v1/predictions", tags=["predictions"], route_class=StrictRoute)


@router.post("", responses=problems(404, 409, 413, 422, 503))
def predict(ctx: Ctx, caller: Reader, asked: PredictionRequest) -> PredictionResponse:
    """Latency of networks of a space on a target, with interval and, if asked for, gradient.

    409 `no_lpnet`: nothing was trained yet. 409 `not_covered`: the LPNet has never seen some op
    of the space on that target. 409 `does_not_fit`: `fitting` was asked for, and a network does
    not fit in the target's memory. 422 `widths_error`: the space has no such widths.
    """
    return predictions.predict(ctx, asked)
