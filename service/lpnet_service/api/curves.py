"""Curves: latency against a width."""

from __future__ import annotations

from fastapi import APIRouter

from lpnet.schemas.curve import CurveRequest, CurveResponse
from lpnet_service.api.access import Reader
from lpnet_service.api.deps import Ctx, StrictRoute
from lpnet_service.api.problems import problems
from lpnet_service.services.reading import curves

router = APIRouter(prefix="/v1/curves", tags=["predictions"], route_class=StrictRoute)


@router.post("", responses=problems(404, 413, 422))
def draw_curves(ctx: Ctx, caller: Reader, asked: CurveRequest) -> CurveResponse:
    """Latency at every legal value of a width, on one or several targets: predicted with an
    interval, measured where it was, and what follows from it in words.

    A target that has no line (unknown, without an LPNet, or one that does not cover the space)
    says why in its `problem`; the others answer. 404: there is no such space. 422: it has no such
    block or width, or more values of it than can be drawn.
    """
    return curves.curves(ctx, asked)
