"""The application: routers, error handlers and the OpenAPI document."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from pydantic.json_schema import models_json_schema
from starlette import types

from lpnet.schemas.problem import Problem
from lpnet.schemas.token import Scope
from lpnet_service.api import (
    agents,
    campaigns,
    compare,
    curves,
    devices,
    documents,
    health,
    leases,
    lpnets,
    metrics,
    noise,
    predictions,
    problems,
    prunings,
    reference,
    samples,
    sessions,
    spaces,
    tables,
    targets,
    trainings,
)
from lpnet_service.api.access import COOKIE, scopes_of
from lpnet_service.api.browsers import BrowserGuard
from lpnet_service.api.deps import bind_path_fields, refuse_unknown_query
from lpnet_service.api.waiting import WaitingPolls
from lpnet_service.observe.meters import Meters
from lpnet_service.observe.requests import RequestObserver
from lpnet_service.services.reading.metrics import CachedMetrics
from lpnet_service.services.shared.context import Context
from lpnet_service.web import pages

_ROUTERS = (
    agents,
    leases,
    devices,
    targets,
    noise,
    tables,
    compare,
    lpnets,
    trainings,
    spaces,
    campaigns,
    samples,
    predictions,
    curves,
    prunings,
    sessions,
    health,
    metrics,
)

# It answers without the database too.
_WITHOUT_DATABASE = "/healthz"


class Application(FastAPI):
    """The REST API on a context. `state.stopping` is set when the server shuts down."""

    def __init__(self, context: Context) -> None:
        super().__init__(
            title="lpnet",
            version=version("lpnet"),
            description="Latency models of real devices. Latencies are those of an inference at "
            "the batch size of the workload, in milliseconds.",
            docs_url=None,
            redoc_url=None,
            generate_unique_id_function=lambda route: route.name,
            dependencies=[Depends(bind_path_fields), Depends(refuse_unknown_query)],
        )
        self.state.context = context
        self.state.stopping = asyncio.Event()
        self.state.polls = WaitingPolls(context, self.state.stopping)
        self.state.meters = Meters()
        self.state.stored_metrics = CachedMetrics(context)
        problems.install(self)
        self.add_middleware(BrowserGuard, context=context)
        for module in _ROUTERS:
            self.include_router(module.router)
        pages.install(self)
        reference.install(self)
        # Outside of everything, including the handler of unexpected errors.
        self._observed = RequestObserver(super().__call__, self.state.meters)

    async def __call__(self, scope: types.Scope, receive: types.Receive, send: types.Send) -> None:
        await self._observed(scope, receive, send)

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            document = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                routes=self.routes,
            )
            _, schemas = models_json_schema(
                [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
            )
            document["components"]["schemas"] |= schemas["$defs"]
            _declare_access(document)
            documents.complete(document)
            self.openapi_schema = document
        return self.openapi_schema


def _declare_access(document: dict[str, Any]) -> None:
    bearer = {"type": "http", "scheme": "bearer", "description": "a token of the service"}
    cookie = {"type": "apiKey", "in": "cookie", "name": COOKIE, "description": "a browser session"}
    document["components"]["securitySchemes"] = {"bearer": bearer, "session": cookie}
    for operation in operations():
        listed = document["paths"][operation.path][operation.method]
        if operation.path != _WITHOUT_DATABASE:
            statuses = (503,) if operation.method == "get" else (503, 507)
            listed["responses"] |= {str(s): d for s, d in problems.problems(*statuses).items()}
        if operation.scopes is None:
            continue
        listed["responses"] |= {str(s): d for s, d in problems.problems(401, 403, 429).items()}
        scopes = list(operation.scopes)
        listed["security"] = [{"bearer": scopes}, {"session": scopes}]


@dataclass(frozen=True)
class Operation:
    """An endpoint, and its scopes; None if it needs no token."""

    method: str
    path: str
    scopes: tuple[Scope, ...] | None


def operations() -> Iterator[Operation]:
    for module in _ROUTERS:
        for route in module.router.routes:
            assert isinstance(route, APIRoute)
            for method in route.methods or ():
                yield Operation(method.lower(), route.path, scopes_of(route.dependant))
