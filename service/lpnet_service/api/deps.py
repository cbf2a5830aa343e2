"""Dependencies and parameters of endpoints."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any, TypeVar

from fastapi import Depends, HTTPException, Path, Query, Request
from fastapi.dependencies.models import Dependant
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool

from lpnet.logs import fields
from lpnet.logs.secrets import lease_id
from lpnet.schemas.base import TARGET_NAME
from lpnet.schemas.campaign import NewCampaign
from lpnet.schemas.curve import CurveRequest
from lpnet.schemas.lpnet import PredictionRequest
from lpnet.schemas.problem import FieldError
from lpnet_service.api.access import identify, max_body_mib, scopes_of
from lpnet_service.errors import BadRequest
from lpnet_service.services.shared import spaces
from lpnet_service.services.shared.context import Context

_MAX_CONTAINERS = 2_000_000
_NOUNS = {"agent", "campaign", "lpnet", "run", "target"}
_ID = r"^[a-z]{1,10}-[0-9a-f]{24}$"


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def bind_path_fields(request: Request) -> None:
    """Bind the ids in the path of a request to its log lines; an id begins with its kind."""
    for name, value in request.path_params.items():
        noun = "target" if name == "name" else value.partition("-")[0]
        if name == "hash":
            fields.bind(space=value)
        elif name == "token":
            fields.bind(lease=lease_id(value))
        elif noun in _NOUNS:
            fields.bind(**{noun: value})


async def refuse_unknown_query(request: Request) -> None:
    """Raise BadRequest for a query parameter that the endpoint does not have."""
    route = request.scope.get("route")
    if not isinstance(route, APIRoute) or not route.path.startswith("/v1/"):
        return
    known = _query_names(route.dependant)
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        reason = f"there is no such parameter; known: {', '.join(sorted(known)) or 'none'}"
        raise BadRequest(
            "the request is not valid",
            [FieldError(field=name[:500], reason=reason) for name in unknown[:100]],
        )


def _query_names(dependant: Dependant) -> set[str]:
    names = {parameter.alias for parameter in dependant.query_params}
    return names.union(*(_query_names(inner) for inner in dependant.dependencies))


Ctx = Annotated[Context, Depends(_context)]
TargetName = Annotated[str, Path(pattern=TARGET_NAME, description="name of the target")]
DeviceName = Annotated[str, Path(pattern=TARGET_NAME, description="name of the device")]
Id = Annotated[str, Path(pattern=_ID, description="id of the resource")]
Token = Annotated[str, Path(pattern=_ID, description="token of the lease")]


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a NUL character")
    return text


Text = Annotated[str, AfterValidator(_storable)]


def _resolve_path(
    ctx: Ctx,
    hash: Annotated[
        str,
        Path(max_length=500, description="content hash of the space, or its name if unique"),
        AfterValidator(_storable),
    ],
) -> str:
    return spaces.resolve(ctx, hash)


def _resolve_query(
    ctx: Ctx,
    space: Annotated[
        Text | None,
        Query(
            min_length=1,
            max_length=500,
            description="content hash of a space, or its name if unique; absent: all",
        ),
    ] = None,
) -> str | None:
    return None if space is None else spaces.resolve(ctx, space)


# Space hashes of a path and of a query.
HashPath = Annotated[str, Depends(_resolve_path)]
SpaceQuery = Annotated[str | None, Depends(_resolve_query)]


OfSpace = TypeVar("OfSpace", PredictionRequest, CurveRequest, NewCampaign)


def with_space_hash(ctx: Context, request: OfSpace) -> OfSpace:
    """The request with the hash of its space, in place of its name."""
    return request.model_copy(update={"space": spaces.resolve(ctx, request.space)})


After = Annotated[
    str | None,
    Query(
        max_length=500, description="`next` or `previous` of another page; absent: the first page"
    ),
]


def limit(maximum: int, default: int) -> Any:
    return Query(ge=1, le=maximum, description=f"items per page; absent: {default}")


class StrictRequest(Request):
    """A request with a limited body, whose JSON a database can store.

    Strings must not hold NUL or lone surrogates. The parser refuses deep nesting and numbers with
    thousands of digits.
    """

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            limit_mib = max_body_mib(self)
            body = bytearray()
            async for chunk in self.stream():
                body += chunk
                if len(body) > limit_mib << 20:
                    raise HTTPException(413, f"a request body may have at most {limit_mib} MiB")
            self._body = bytes(body)
        return self._body

    async def json(self) -> Any:
        body = await self.body()
        # A list of empty lists is small in bytes and large in memory.
        if body.count(b"[") + body.count(b"{") > _MAX_CONTAINERS:
            raise HTTPException(413, f"JSON may have at most {_MAX_CONTAINERS} lists and objects")
        try:
            value = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise _unreadable(str(error)) from error
        if b"\\u0000" in body and _holds_nul(value):
            raise _unreadable("a string holds a NUL character")
        return value


def _unreadable(reason: str) -> HTTPException:
    return HTTPException(422, f"the body is not valid JSON: {reason}")


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in key or _holds_nul(inner) for key, inner in value.items())
    return isinstance(value, list) and any(_holds_nul(inner) for inner in value)


class StrictRoute(APIRoute):
    """A route that identifies the caller, and then reads the body through StrictRequest."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_strictly(request: Request) -> Response:
            if scopes_of(self.dependant) is not None:
                await run_in_threadpool(identify, request)
            return await handle(StrictRequest(request.scope, request.receive))

        return handle_strictly
