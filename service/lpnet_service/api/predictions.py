"""Predictions."""

from __future__ import annotations

from fastapi import APIRouter

from lpnet.schemas.lpnet import PredictionRequest, PredictionResponse
from lpnet_service.api.access import Reader
from lpnet_service.api.deps import Ctx, StrictRoute, with_space_hash
from lpnet_service.api.problems import problems
from lpnet_service.services.reading import predictions

router = APIRouter(prefix="/v1/predictions", tags=["predictions"], route_class=StrictRoute)


@router.post("", responses=problems(404, 409, 413, 422, 503))
def predict(ctx: Ctx, caller: Reader, request: PredictionRequest) -> PredictionResponse:
    """Predict the latency of networks of a space on a target, with intervals and gradients.

    409 `no_lpnet`: the target has no LPNet yet. 409 `not_covered`: the LPNet was not trained on
    some op of the space. 409 `does_not_fit`: with `fitting`, a network does not fit in the
    target's memory. 422 `widths_error`: the space has no such widths.
    """
    return predictions.predict(ctx, with_space_hash(ctx, request))
