"""Devices."""

from __future__ import annotations

from fastapi import APIRouter

from lpnet.schemas.device import DeviceList
from lpnet_service.api.access import Lister
from lpnet_service.api.deps import Ctx
from lpnet_service.services.shared import targets

router = APIRouter(prefix="/v1/devices", tags=["devices"])


@router.get("")
def list_devices(ctx: Ctx, caller: Lister) -> DeviceList:
    """All devices, by name."""
    return DeviceList(items=tuple(targets.list_devices(ctx)))
