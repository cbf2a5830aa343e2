"""Samples: storing batches, listing pages and exporting files."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from fastapi.responses import StreamingResponse

from lpnet.schemas.base import TARGET_NAME, Time
from lpnet.schemas.problem import FieldError
from lpnet.schemas.sample import IngestResult, Removal, SampleBatch, SampleId, SamplePage
from lpnet.schemas.workload import Kind
from lpnet_service.api.access import Deliverer, Reader, ResultReader, Trainer
from lpnet_service.api.deps import After, Ctx, SpaceQuery, StrictRoute, Text, limit
from lpnet_service.api.problems import Responses, problems
from lpnet_service.errors import BadRequest
from lpnet_service.services.access import ownership
from lpnet_service.services.measuring import ingest
from lpnet_service.services.reading import samples
from lpnet_service.services.upkeep import removal

router = APIRouter(prefix="/v1", tags=["samples"], route_class=StrictRoute)

_MEDIA_TYPES: dict[samples.Format, str] = {"jsonl": "application/jsonl", "csv": "text/csv"}
_FILES: Responses = {
    200: {
        "description": "A sample per line",
        "content": {kind: {"schema": {"type": "string"}} for kind in _MEDIA_TYPES.values()},
    }
}


@router.post("/samples:batch", responses=problems(404, 413, 422))
def store_samples(
    ctx: Ctx,
    caller: Deliverer,
    batch: SampleBatch,
    create: Annotated[
        bool, Query(description="create an imported target of this name if there is none")
    ] = False,
    dry_run: Annotated[bool, Query(description="only check the samples, store nothing")] = False,
    again: Annotated[
        bool,
        Query(
            description="the job of these samples may have been measured twice: skip samples "
            "whose id is stored for another measurement"
        ),
    ] = False,
) -> IngestResult:
    """Store samples, all or none.

    An id is unique within a target. A sample that is stored already counts as known. An id of
    another stored sample is refused.
    """
    ownership.check_target(ctx, caller, batch.target)
    ownership.check_samples(ctx, caller, batch.samples)
    if dry_run:
        return ingest.check_only(ctx, batch, create=create, again=again)
    return ingest.store(ctx, batch, create=create, again=again)


@router.get("/samples", responses=problems(404, 422))
def list_samples(
    ctx: Ctx,
    caller: ResultReader,
    space: SpaceQuery,
    target: Annotated[
        str | None, Query(pattern=TARGET_NAME, description="name of a target; absent: all")
    ] = None,
    kind: Annotated[Kind | None, Query(description="blocks or networks; absent: both")] = None,
    campaign: Annotated[
        Text | None, Query(max_length=100, description="id of a campaign; absent: all")
    ] = None,
    disturbed: Annotated[
        bool | None,
        Query(description="only disturbed samples, or only undisturbed ones; absent: both"),
    ] = None,
    after: After = None,
    limit: Annotated[int, limit(1000, 100)] = 100,
) -> SamplePage:
    """Samples in the order in which they were stored."""
    filters = {
        "target": target,
        "kind": kind,
        "space": space,
        "campaign": campaign,
        "disturbed": disturbed,
    }
    return samples.page(ctx, filters, after=after, limit=limit)


@router.delete("/samples", responses=problems(404, 409, 422))
def remove_samples(
    ctx: Ctx,
    caller: Trainer,
    target: Annotated[str, Query(pattern=TARGET_NAME, description="name of the target")],
    id: Annotated[
        list[SampleId] | None, Query(max_length=1_000, description="ids of samples to delete")
    ] = None,
    stored_from: Annotated[
        Time | None, Query(description="instead of ids: delete those stored since this time")
    ] = None,
    stored_to: Annotated[
        Time | None, Query(description="and until this time, included; absent: until now")
    ] = None,
) -> Removal:
    """Delete samples of a target, by their ids or by when they were stored.

    LPNets and reports stay as they are. 409 if a running campaign measures one of them.
    """
    if bool(id) == (stored_from is not None):
        raise BadRequest(
            "which samples?", [FieldError(field="id", reason="either id or stored_from is needed")]
        )
    return removal.remove_samples(ctx, target, id or (), stored_from, stored_to)


@router.get(
    "/samples/export",
    response_class=StreamingResponse,
    responses=problems(404, 422) | _FILES,
)
def export_samples(
    ctx: Ctx,
    caller: Reader,
    target: Annotated[str, Query(pattern=TARGET_NAME, description="name of a target")],
    format: Annotated[samples.Format, Query(description="jsonl, or csv")] = "jsonl",
) -> StreamingResponse:
    """All samples of a target, as JSON lines for `lpnet import` or as CSV."""
    lines = samples.export(ctx, target, format)
    return StreamingResponse(lines, media_type=_MEDIA_TYPES[format])
