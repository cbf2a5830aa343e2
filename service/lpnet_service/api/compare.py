"""Comparisons of targets."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from lpnet.schemas.base import Name
from lpnet.schemas.compare import ComparePage, CompareSummary
from lpnet_service.api.access import Reader
from lpnet_service.api.deps import After, Ctx, limit
from lpnet_service.api.problems import problems
from lpnet_service.api.tables import CSV
from lpnet_service.services.reading import comparison_summary, comparison_table

router = APIRouter(prefix="/v1/compare", tags=["tables"])

Targets = Annotated[
    list[Name],
    Query(
        alias="target",
        min_length=2,
        max_length=6,
        description="names of targets; ratios are relative to the first",
    ),
]
By = Annotated[
    Name | None,
    Query(description="target to sort by; absent: the second for ratios, the first for latencies"),
]
Sort = Annotated[
    comparison_table.Sort,
    Query(description="column to sort by; `-` before it means descending"),
]


@router.get("", responses=problems(404, 422))
def compare_targets(
    ctx: Ctx,
    caller: Reader,
    targets: Targets,
    by: By = None,
    sort: Sort = "ratio",
    after: After = None,
    limit: Annotated[int, limit(500, 100)] = 100,
) -> ComparePage:
    """Workloads with undisturbed samples of all targets in their current epochs."""
    return comparison_table.page(ctx, targets, by=by, sort=sort, after=after, limit=limit)


@router.get("/summary", responses=problems(404, 422))
def summarise_comparison(ctx: Ctx, caller: Reader, targets: Targets) -> CompareSummary:
    """Ratios, and how often each target is the fastest: in total, by kind and by block."""
    return comparison_summary.summary(ctx, targets)


@router.get("/export", response_class=StreamingResponse, responses=problems(404, 422) | CSV)
def export_comparison(
    ctx: Ctx,
    caller: Reader,
    targets: Targets,
    by: By = None,
    sort: Sort = "ratio",
    format: Annotated[Literal["csv"], Query(description="csv")] = "csv",
) -> StreamingResponse:
    """All rows as CSV; workloads are JSON."""
    lines = comparison_table.export(ctx, targets, by=by, sort=sort)
    return StreamingResponse(lines, media_type="text/csv")
