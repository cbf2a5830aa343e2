"""Dependencies and parameters of endpoints."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Annotated, Any

from fastapi import Depends, HTTPException, Path, Query, Request
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import AfterValidator
from pydantic_core import from_json
from starlette.concurrency import run_in_threadpool

from lpnet.logs import fields
from lpnet.logs.secrets import lease_id
from lpnet.schemas.base import TARGET_NAME
from lpnet_service.api.access import identify, max_body_mib, scopes_of
from lpnet_service.services.shared.context import Context

HASH = r"^[0-9a-f]{64}$"
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


Ctx = Annotated[Context, Depends(_context)]
TargetName = Annotated[str, Path(pattern=TARGET_NAME, description="name of the target")]
Id = Annotated[str, Path(pattern=_ID, description="id of the resource")]
Token = Annotated[str, Path(pattern=_ID, description="token of the lease")]
HashPath = Annotated[str, Path(pattern=HASH, description="content hash of the space")]


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a NUL character")
    return text


Text = Annotated[str, AfterValidator(_storable)]
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
