"""Targets beside each other."""

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
        description="names of targets; ratios are to the first",
    ),
]
By = Annotated[
    Name | None,
    Query(
        description="target whose figure is sorted by; absent: the second for ratios, the first "
        "for latencies"
    ),
]
Sort = Annotated[
    comparison_table.Sort,
    Query(description="ascending by this; with a minus before it, descending"),
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
    """Workloads of which all targets have undisturbed samples in their current epochs."""
    return comparison_table.page(ctx, targets, by=by, sort=sort, after=after, limit=limit)


@router.get("/summary", responses=problems(404, 422))
def summarise_comparison(ctx: Ctx, caller: Reader, targets: Targets) -> CompareSummary:
    """Ratios, and who is fastest how often: of all workloads in common, by kind and by block."""
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
    """The rows of all pages as CSV; workloads as JSON in their column."""
    lines = comparison_table.export(ctx, targets, by=by, sort=sort)
    return StreamingResponse(lines, media_type="text/csv")
