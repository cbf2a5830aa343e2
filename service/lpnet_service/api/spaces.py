"""Spaces."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response

from lpnet.schemas.lpnet import SpaceInfo, SpaceList
from lpnet.schemas.space import SpaceSummary
from lpnet_service.api.access import FileReader, Lister, Trainer, Uploader
from lpnet_service.api.deps import Ctx, HashPath, StrictRoute
from lpnet_service.api.etags import OCTETS, matches
from lpnet_service.api.problems import Responses, problems
from lpnet_service.services.access import ownership
from lpnet_service.services.reading import space_summaries
from lpnet_service.services.shared import spaces
from lpnet_service.services.upkeep import removal

router = APIRouter(prefix="/v1/spaces", tags=["spaces"], route_class=StrictRoute)

_FILE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "application/octet-stream": {"schema": {"type": "string", "format": "binary"}}
        },
    }
}
_SVG: Responses = {
    200: {
        "description": "The diagram",
        "content": {"image/svg+xml": {"schema": {"type": "string"}}},
    }
}


async def _body(request: Request) -> bytes:
    return await request.body()


@router.get("")
def list_spaces(ctx: Ctx, caller: Lister) -> SpaceList:
    """All spaces, oldest first."""
    return SpaceList(items=tuple(spaces.list_spaces(ctx)))


@router.post(
    "",
    status_code=201,
    openapi_extra=_FILE,
    responses=problems(413, 422)
    | {200: {"model": SpaceInfo, "description": "The space was stored already"}},
)
def upload_space(
    ctx: Ctx, caller: Uploader, content: Annotated[bytes, Depends(_body)], response: Response
) -> SpaceInfo:
    """Upload the file of a space, as `Space.save` writes it. Repeating it is harmless.

    It adds the reasons why channels are frozen to a stored file without any.
    """
    info, is_new = spaces.add(ctx, content)
    response.status_code = 201 if is_new else 200
    response.headers["Location"] = f"/v1/spaces/{info.hash}"
    return info


@router.get("/{hash}", responses=problems(404, 422))
def get_space(ctx: Ctx, caller: Lister, hash: HashPath) -> SpaceInfo:
    """A space."""
    return spaces.get(ctx, hash)


@router.delete("/{hash}", status_code=204, responses=problems(404, 409, 422))
def remove_space(ctx: Ctx, caller: Trainer, hash: HashPath) -> None:
    """Delete a space of which there are no samples, campaigns and pruning results."""
    removal.remove_space(ctx, hash)


@router.get("/{hash}/summary", responses=problems(404, 422))
def summarise_space(ctx: Ctx, caller: Lister, hash: HashPath) -> SpaceSummary:
    """What a space holds: widths with the layers that they tie, what is frozen, and why."""
    return space_summaries.get(ctx, hash)


@router.get("/{hash}/diagram", response_class=Response, responses=problems(404, 422) | _SVG)
def draw_space(
    ctx: Ctx,
    caller: Lister,
    hash: HashPath,
    colours: Annotated[
        space_summaries.Colours, Query(description="colours of the diagram")
    ] = "light",
) -> Response:
    """The blocks of a space with their widths, as an SVG."""
    return Response(space_summaries.svg(ctx, hash, colours), media_type="image/svg+xml")


@router.get("/{hash}/file", response_class=Response, responses=problems(404, 422) | OCTETS)
def get_space_file(
    ctx: Ctx,
    caller: FileReader,
    hash: HashPath,
    if_none_match: Annotated[
        str | None, Header(description="entity tag of a space that the client has")
    ] = None,
) -> Response:
    """The uploaded file of a space."""
    ownership.check_space(ctx, caller, hash)
    content = spaces.file(ctx, hash)
    tag = sha256(content).hexdigest()
    headers = {"ETag": f'"{tag}"'}
    if matches(if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers, media_type="application/octet-stream")
