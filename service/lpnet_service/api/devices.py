"""Devices."""

from __future__ import annotations

from fastapi import APIRouter

from lpnet.schemas.device import DeviceList
from lpnet_service.api.access import Lister, Trainer
from lpnet_service.api.deps import Ctx, DeviceName
from lpnet_service.api.problems import problems
from lpnet_service.services.shared import targets
from lpnet_service.services.upkeep import removal

router = APIRouter(prefix="/v1/devices", tags=["devices"])


@router.get("")
def list_devices(ctx: Ctx, caller: Lister) -> DeviceList:
    """All devices, by name."""
    return DeviceList(items=tuple(targets.list_devices(ctx)))


@router.delete("/{name}", status_code=204, responses=problems(404, 409, 422))
def remove_device(ctx: Ctx, caller: Trainer, name: DeviceName) -> None:
    """Delete a device without targets. 409 if it has any, or if its agent runs."""
    removal.remove_device(ctx, name)
