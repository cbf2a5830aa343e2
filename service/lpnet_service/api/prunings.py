"""Results of pruning jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from lpnet.schemas.base import TARGET_NAME
from lpnet.schemas.pruning import PruningPage, PruningResult
from lpnet_service.api.access import Reader, Trainer
from lpnet_service.api.deps import After, Ctx, Id, SpaceQuery, StrictRoute, limit
from lpnet_service.api.problems import problems
from lpnet_service.services.reading import prunings

router = APIRouter(prefix="/v1/prunings", tags=["prunings"], route_class=StrictRoute)


@router.post(
    "",
    status_code=201,
    responses=problems(404, 409, 413, 422)
    | {200: {"model": PruningResult, "description": "The result was stored already"}},
)
def report_pruning(
    ctx: Ctx, caller: Trainer, result: PruningResult, response: Response
) -> PruningResult:
    """Store a candidate of a pruning job. Storing it again is harmless.

    404: unknown target or space. 409: the id belongs to another network.
    """
    stored, is_new = prunings.report(ctx, result)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/v1/prunings/{stored.id}"
    return stored


@router.get("", responses=problems(404, 422))
def list_prunings(
    ctx: Ctx,
    caller: Reader,
    space: SpaceQuery,
    target: Annotated[
        str | None, Query(pattern=TARGET_NAME, description="name of a target; absent: all")
    ] = None,
    chosen: Annotated[
        bool | None,
        Query(description="only the chosen candidates, or only the others; absent: all"),
    ] = None,
    after: After = None,
    limit: Annotated[int, limit(500, 100)] = 100,
) -> PruningPage:
    """Results of pruning jobs, newest first."""
    filters = {"target": target, "space": space, "chosen": chosen}
    return prunings.page(ctx, filters, after=after, limit=limit)


@router.get("/{id}", responses=problems(404, 422))
def get_pruning(ctx: Ctx, caller: Reader, id: Id) -> PruningResult:
    """A result."""
    return prunings.get(ctx, id)


@router.delete("/{id}", status_code=204, responses=problems(404, 422))
def remove_pruning(ctx: Ctx, caller: Trainer, id: Id) -> None:
    """Delete a result."""
    prunings.remove(ctx, id)
