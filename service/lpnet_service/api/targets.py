"""Targets."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter

from lpnet.schemas.condition import SentinelHistory
from lpnet.schemas.device import Target, TargetList
from lpnet_service.api.access import Lister, ResultReader, TargetReader, Trainer
from lpnet_service.api.deps import Ctx, TargetName, limit
from lpnet_service.api.problems import problems
from lpnet_service.services.access import ownership
from lpnet_service.services.measuring import conditions
from lpnet_service.services.reading import sentinels
from lpnet_service.services.shared import targets
from lpnet_service.services.upkeep import removal

router = APIRouter(prefix="/v1/targets", tags=["targets"])


@router.get("")
def list_targets(ctx: Ctx, caller: Lister) -> TargetList:
    """All targets, by name."""
    return TargetList(items=tuple(targets.list_targets(ctx)))


@router.get("/{name}", responses=problems(404, 422))
def get_target(ctx: Ctx, caller: TargetReader, name: TargetName) -> Target:
    """A target."""
    ownership.check_target(ctx, caller, name)
    return targets.get_target(ctx, name)


@router.delete("/{name}", status_code=204, responses=problems(404, 409, 422))
def remove_target(ctx: Ctx, caller: Trainer, name: TargetName) -> None:
    """Delete a target that has no samples, campaigns, LPNets, trainings and pruning results.

    409 if it has any, or if an agent measures it.
    """
    removal.remove_target(ctx, name)


@router.post("/{name}/clear", responses=problems(404, 409, 422))
def clear_target(ctx: Ctx, caller: Trainer, name: TargetName) -> Target:
    """Accept the current sentinel readings of a paused or broken target as normal.

    A new epoch begins. 409 if its owner or a full disk paused it.
    """
    return conditions.clear(ctx, name)


@router.get("/{name}/sentinels", responses=problems(404, 422))
def list_sentinels(
    ctx: Ctx, caller: ResultReader, name: TargetName, limit: Annotated[int, limit(1000, 100)] = 100
) -> SentinelHistory:
    """Sentinel readings with their drift, newest first."""
    return sentinels.history(ctx, name, limit)
