"""Curves: latency as a function of a width."""

from __future__ import annotations

from fastapi import APIRouter

from lpnet.schemas.curve import CurveRequest, CurveResponse
from lpnet_service.api.access import Reader
from lpnet_service.api.deps import Ctx, StrictRoute, with_space_hash
from lpnet_service.api.problems import problems
from lpnet_service.services.reading import curves

router = APIRouter(prefix="/v1/curves", tags=["predictions"], route_class=StrictRoute)


@router.post("", responses=problems(404, 413, 422))
def draw_curves(ctx: Ctx, caller: Reader, request: CurveRequest) -> CurveResponse:
    """Latency at each legal value of a width, on one or several targets.

    A curve holds predictions with intervals, measured samples, and advice. A target without a
    curve (unknown, without an LPNet, or not covering the space) has a `problem`; the others are
    not affected. 404: unknown space. 422: unknown block or width, or too many values.
    """
    return curves.curves(ctx, with_space_hash(ctx, request))
