"""What endpoints ask for in their signatures."""

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
from lpnet_service.api.access import identify, largest_body_mib, scopes_of
from lpnet_service.services.shared.context import Context

HASH = r"^[0-9a-f]{64}$"
_MOST_CONTAINERS = 2_000_000
_NOUNS = {"agent", "campaign", "lpnet", "run", "target"}
_ID = r"^[a-z]{1,10}-[0-9a-f]{24}$"


def _context(request: Request) -> Context:
    context: Context = request.app.state.context
    return context


async def know_path(request: Request) -> None:
    """Have the lines of a request say what its path names, as an id says of what kind it is."""
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
Id = Annotated[str, Path(pattern=_ID, description="id, as the service gave it")]
Token = Annotated[str, Path(pattern=_ID, description="token of the lease")]
HashPath = Annotated[str, Path(pattern=HASH, description="content hash of the space")]


def _storable(text: str) -> str:
    if "\x00" in text:
        raise ValueError("holds a NUL character")
    return text


Text = Annotated[str, AfterValidator(_storable)]
After = Annotated[
    str | None,
    Query(max_length=500, description="`next` of the page before; absent: the first page"),
]


def limit(most: int, default: int) -> Any:
    """A query parameter: how many items a page has."""
    return Query(
        ge=1, le=most, description=f"items of a page, at most {most}; {default} if absent"
    )


class StrictRequest(Request):
    """A request whose body has a largest size, and whose JSON a database can keep.

    That is: no NUL and no lone surrogate in any string. Nesting without end, and numbers of
    thousands of digits, are refused by the parser.
    """

    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            most = largest_body_mib(self)
            read = bytearray()
            async for chunk in self.stream():
                read += chunk
                if len(read) > most << 20:
                    raise HTTPException(413, f"a request body may have {most} MiB")
            self._body = bytes(read)
        return self._body

    async def json(self) -> Any:
        body = await self.body()
        # Small in bytes, a list of empty lists is large in memory.
        if body.count(b"[") + body.count(b"{") > _MOST_CONTAINERS:
            raise HTTPException(413, f"JSON may have {_MOST_CONTAINERS} lists and objects")
        try:
            value = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise _unreadable(str(error)) from error
        if b"\\u0000" in body and _holds_nul(value):
            raise _unreadable("a string holds a NUL character")
        return value


def _unreadable(reason: str) -> HTTPException:
    return HTTPException(422, f"the body is not JSON that can be kept: {reason}")


def _holds_nul(value: Any) -> bool:
    if isinstance(value, str):
        return "\x00" in value
    if isinstance(value, dict):
        return any("\x00" in key or _holds_nul(inner) for key, inner in value.items())
    return isinstance(value, list) and any(_holds_nul(inner) for inner in value)


class StrictRoute(APIRoute):
    """A route that reads its body through StrictRequest, once it is known whose it is."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            if scopes_of(self.dependant) is not None:
                await run_in_threadpool(identify, request)
            return await handle(StrictRequest(request.scope, request.receive))

        return strictly
