"""Endpoints for noise floors."""

from __future__ import annotations

from fastapi import APIRouter

from lpnet.schemas.noise import NoiseList
from lpnet_service.api.access import Lister
from lpnet_service.api.deps import Ctx
from lpnet_service.services.shared import targets

router = APIRouter(prefix="/v1/noise-floors", tags=["targets"])


@router.get("")
def list_noise(ctx: Ctx, caller: Lister) -> NoiseList:
    """How much two sessions differ on a workload, for each target, with an interval."""
    return NoiseList(items=tuple(targets.list_noise(ctx)))
