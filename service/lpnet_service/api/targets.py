"""Targets, and their latency tables."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from lpnet.schemas.condition import SentinelHistory
from lpnet.schemas.device import Target, TargetList
from lpnet.schemas.lpnet import TablePage
from lpnet.schemas.workload import Kind
from lpnet_service.api.access import Lister, Reader, ResultReader, TargetReader, Trainer
from lpnet_service.api.deps import HASH, After, Ctx, TargetName, Text, limit
from lpnet_service.api.problems import problems
from lpnet_service.services import conditions, ownership, sentinels, table, targets

router = APIRouter(prefix="/v1/targets", tags=["targets"])


@router.get("")
def list_targets(ctx: Ctx, caller: Lister) -> TargetList:
    """Every target, by name."""
    return TargetList(items=tuple(targets.targets(ctx)))


@router.get("/{name}", responses=problems(404, 422))
def get_target(ctx: Ctx, caller: TargetReader, name: TargetName) -> Target:
    """One target."""
    ownership.check_target(ctx, caller, name)
    return targets.target(ctx, name)


@router.post("/{name}/clear", responses=problems(404, 409, 422))
def clear_target(ctx: Ctx, caller: Trainer, name: TargetName) -> Target:
    """Say that what a target measures now is normal, which its sentinels paused or broke: an epoch
    opens. 409 where its owner or a full disk paused it."""
    return conditions.clear(ctx, name)


@router.get("/{name}/sentinels", responses=problems(404, 422))
def list_sentinels(
    ctx: Ctx, caller: ResultReader, name: TargetName, limit: Annotated[int, limit(1000, 100)] = 100
) -> SentinelHistory:
    """Readings of the sentinels, newest first, with their drift."""
    return sentinels.history(ctx, name, limit)


@router.get("/{name}/table", responses=problems(404, 422, 503))
def get_table(
    ctx: Ctx,
    caller: Reader,
    name: TargetName,
    kind: Annotated[Kind | None, Query(description="blocks or networks; absent: both")] = None,
    space: Annotated[
        str | None, Query(pattern=HASH, description="content hash of a space; absent: all")
    ] = None,
    block: Annotated[
        Text | None, Query(max_length=500, description="name of a block; absent: all")
    ] = None,
    disturbed: Annotated[
        bool | None, Query(description="only those that are, or that are not; absent: both")
    ] = None,
    sort: Annotated[table.Sort, Query(description="ascending by this")] = "measured_at",
    after: After = None,
    limit: Annotated[int, limit(500, 100)] = 100,
) -> TablePage:
    """Measured workloads of the current epoch, beside what the active LPNet says of them."""
    filters = {"kind": kind, "space": space, "block": block, "disturbed": disturbed}
    return table.page(ctx, name, filters, sort=sort, after=after, limit=limit)
