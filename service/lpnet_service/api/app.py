"""The application: routers, errors, and its OpenAPI document."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic.json_schema import models_json_schema

from lpnet.schemas.problem import Problem
from lpnet_service.api import (
    agents,
    campaigns,
    devices,
    health,
    leases,
    lpnets,
    predictions,
    problems,
    samples,
    spaces,
    targets,
    trainings,
)
from lpnet_service.services.context import Context

_ROUTERS = (
    agents,
    leases,
    devices,
    targets,
    lpnets,
    trainings,
    spaces,
    campaigns,
    samples,
    predictions,
    health,
)


class Application(FastAPI):
    """The REST API over a context. `state.stopping` is set when the server is told to stop."""

    def __init__(self, context: Context) -> None:
        super().__init__(
            title="lpnet",
            version=version("lpnet"),
            description="Latency models of real devices. Latencies are in milliseconds, of one "
            "inference at the workload's batch size.",
            docs_url=None,
            redoc_url=None,
            generate_unique_id_function=lambda route: route.name,
        )
        self.state.context = context
        self.state.stopping = asyncio.Event()
        problems.install(self)
        for module in _ROUTERS:
            self.include_router(module.router)

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with the schema of problems that every error refers to."""
        if self.openapi_schema is None:
            document = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                routes=self.routes,
            )
            _, found = models_json_schema(
                [(Problem, "serialization")], ref_template="#/components/schemas/{model}"
            )
            document["components"]["schemas"] |= found["$defs"]
            self.openapi_schema = document
        return self.openapi_schema
