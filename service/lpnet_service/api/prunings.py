"""Results of pruning jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Response

from lpnet.schemas.base import TARGET_NAME
from lpnet.schemas.pruning import PruningPage, PruningResult
from lpnet_service.api.access import Reader, Trainer
from lpnet_service.api.deps import HASH, After, Ctx, Id, StrictRoute, limit
from lpnet_service.api.problems import problems
from lpnet_service.services.reading import prunings

router = APIRouter(prefix="/v1/prunings", tags=["prunings"], route_class=StrictRoute)


@router.post(
    "",
    status_code=201,
    responses=problems(404, 409, 413, 422)
    | {200: {"model": PruningResult, "description": "It was reported before; as it is kept"}},
)
def report_pruning(
    ctx: Ctx, caller: Trainer, result: PruningResult, response: Response
) -> PruningResult:
    """Keep what a pruning job came to: a candidate. Repeating it is harmless.

    404: the service has no such target or space. 409: the id was reported of another network.
    """
    kept, new = prunings.report(ctx, result)
    response.status_code = 201 if new else 200
    response.headers["Location"] = f"/v1/prunings/{kept.id}"
    return kept


@router.get("", responses=problems(422))
def list_prunings(
    ctx: Ctx,
    caller: Reader,
    target: Annotated[
        str | None, Query(pattern=TARGET_NAME, description="name of a target; absent: all")
    ] = None,
    space: Annotated[
        str | None, Query(pattern=HASH, description="content hash of a space; absent: all")
    ] = None,
    chosen: Annotated[
        bool | None,
        Query(description="only the candidates that jobs went on with, or only the others"),
    ] = None,
    after: After = None,
    limit: Annotated[int, limit(500, 100)] = 100,
) -> PruningPage:
    """Results of pruning jobs, those reported last first."""
    filters = {"target": target, "space": space, "chosen": chosen}
    return prunings.page(ctx, filters, after=after, limit=limit)


@router.get("/{id}", responses=problems(404, 422))
def get_pruning(ctx: Ctx, caller: Reader, id: Id) -> PruningResult:
    """One result."""
    return prunings.get(ctx, id)


@router.delete("/{id}", status_code=204, responses=problems(404, 422))
def remove_pruning(ctx: Ctx, caller: Trainer, id: Id) -> None:
    """Forget one result."""
    prunings.remove(ctx, id)
