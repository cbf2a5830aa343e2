"""Latency tables: pages, CSV files and filter values."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Query
from fastapi.responses import StreamingResponse

from lpnet.schemas.sample import Draw
from lpnet.schemas.table import Facets, TablePage
from lpnet.schemas.workload import Kind
from lpnet_service.api.access import Reader
from lpnet_service.api.deps import After, Ctx, SpaceQuery, TargetName, Text, limit
from lpnet_service.api.problems import Responses, problems
from lpnet_service.services.reading import facets, table, table_csv
from lpnet_service.services.reading.selection import Filters

router = APIRouter(prefix="/v1/targets/{name}", tags=["tables"])

Epoch = Annotated[
    int | None, Query(ge=1, le=10**9, description="epoch of the target; absent: the current one")
]
Sort = Annotated[
    table.Sort, Query(description="column to sort by; `-` before it means descending")
]
CSV: Responses = {
    200: {
        "description": "A line of names, and a line per row",
        "content": {"text/csv": {"schema": {"type": "string"}}},
    }
}


def _filters(
    space: SpaceQuery,
    kind: Annotated[Kind | None, Query(description="blocks or networks; absent: both")] = None,
    block: Annotated[
        Text | None, Query(max_length=500, description="name of a block; absent: all")
    ] = None,
    draw: Annotated[
        Draw | None, Query(description="how the workload was chosen; absent: all")
    ] = None,
    disturbed: Annotated[
        bool | None,
        Query(description="only disturbed samples, or only undisturbed ones; absent: both"),
    ] = None,
    held_out: Annotated[
        bool | None,
        Query(description="only held-out workloads, or only training workloads; absent: all"),
    ] = None,
    min_ms: Annotated[
        float | None,
        Query(ge=0, le=1e9, allow_inf_nan=False, description="minimum latency, ms"),
    ] = None,
    max_ms: Annotated[
        float | None,
        Query(ge=0, le=1e9, allow_inf_nan=False, description="maximum latency, ms"),
    ] = None,
    search: Annotated[
        Text | None,
        Query(
            max_length=200,
            description="up to 10 terms: each must occur in the name of the block or space, or be "
            "the id of the sample",
        ),
    ] = None,
) -> Filters:
    return Filters(
        kind=kind,
        space=space,
        block=block,
        draw=draw,
        disturbed=disturbed,
        held_out=held_out,
        min_ms=min_ms,
        max_ms=max_ms,
        search=search,
    )


Filtered = Annotated[Filters, Depends(_filters)]


@router.get("/table", responses=problems(404, 422, 503))
def get_table(
    ctx: Ctx,
    caller: Reader,
    name: TargetName,
    filters: Filtered,
    epoch: Epoch = None,
    sort: Sort = "measured_at",
    after: After = None,
    limit: Annotated[int, limit(500, 100)] = 100,
) -> TablePage:
    """Measured workloads of an epoch, with predictions of the active LPNet."""
    return table.page(ctx, name, filters, sort=sort, after=after, limit=limit, epoch=epoch)


@router.get(
    "/table/export", response_class=StreamingResponse, responses=problems(404, 422, 503) | CSV
)
def export_table(
    ctx: Ctx,
    caller: Reader,
    name: TargetName,
    filters: Filtered,
    epoch: Epoch = None,
    sort: Sort = "measured_at",
    format: Annotated[Literal["csv"], Query(description="csv")] = "csv",
) -> StreamingResponse:
    """All matching rows as CSV; widths are JSON."""
    lines = table_csv.export(ctx, name, filters, sort=sort, epoch=epoch)
    return StreamingResponse(lines, media_type="text/csv")


@router.get("/facets", responses=problems(404, 422))
def get_facets(ctx: Ctx, caller: Reader, name: TargetName, epoch: Epoch = None) -> Facets:
    """Values for filtering the table, with the number of rows of each."""
    return facets.facets(ctx, name, epoch)
