"""The API holds to its own document, whatever it is sent: answers are listed there, and no input
makes the service fail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from tests.harness.budget import examples

from lpnet_service.api.app import Application
from lpnet_service.db.migrate import migrate
from lpnet_service.services.access import tokens
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
SAMPLE = {
    "workload": {"ops": [{"type": "linear", "c_in": 8, "c_out": 8}]},
    "latency_ms": 1.0,
}


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    path: Path = tmp_path_factory.mktemp("fuzz") / "lpnet.db"
    ctx = context(Settings(database_url=f"sqlite:///{path}"))
    migrate(ctx.db)
    yield Application(ctx)
    ctx.db.close()


@pytest.fixture(scope="module")
def known(application: Application) -> dict[str, str]:
    """Path parameters that lead somewhere, by the first part of the path and the name."""
    client = TestClient(application)
    said = {"device": "desk", "facts": {}, "targets": [{"name": "desk-cpu"}], "agent_version": "1"}
    agent = client.post("/v1/agents", json=said).json()["agent"]
    batch = {"target": "desk-cpu", "samples": [SAMPLE]}
    assert client.post("/v1/samples:batch", json=batch).json()["stored"] == 1
    training = client.post("/v1/targets/desk-cpu/lpnets", json={}).json()["id"]
    return {"targets.name": "desk-cpu", "agents.id": agent, "trainings.id": training}


@pytest.fixture(scope="module")
def schema(application: Application) -> Any:
    return schemathesis.openapi.from_asgi("/openapi.json", application)


def operations() -> list[tuple[str, str]]:
    """Every operation, as the document lists it; the database behind it is never opened."""
    ctx = context(Settings(database_url="sqlite:///never-opened.db"))
    paths = Application(ctx).openapi()["paths"]
    return [(path, method) for path, methods in paths.items() for method in methods]


@pytest.mark.parametrize(("path", "method"), operations())
def test_answers_are_those_of_the_document(
    path: str, method: str, schema: Any, known: dict[str, str]
) -> None:
    noun = path.split("/")[2] if path.count("/") > 1 else ""

    @given(case=schema[path][method.upper()].as_strategy())
    @examples(12, suppress_health_check=list(HealthCheck))
    def holds(case: Any) -> None:
        if isinstance(case.body, dict) and "wait_s" in case.body:
            case.body["wait_s"] = 0
        case.call_and_validate(checks=CHECKS)
        real = {
            name: known[f"{noun}.{name}"]
            for name in case.path_parameters or {}
            if f"{noun}.{name}" in known
        }
        if real:
            case.path_parameters.update(real)
            case.call_and_validate(checks=CHECKS)

    holds()


@pytest.fixture(scope="module")
def guarded(application: Application) -> tuple[Any, str]:
    """The document of a service on the same database that asks for tokens, and an agent's."""
    ctx = application.state.context
    asking = Settings(
        database_url=ctx.settings.database_url, tokens="required", requests_per_s=1e6
    )
    closed = context(asking, db=ctx.db)
    secret = tokens.new_secret()
    tokens.create(closed, tokens.TokenRequest("desk", ("agent",), "desk"), secret)
    return schemathesis.openapi.from_asgi("/openapi.json", Application(closed)), secret


@pytest.mark.parametrize(("path", "method"), operations())
def test_answers_are_those_of_the_document_for_whoever_has_little_right_to_them(
    path: str, method: str, guarded: tuple[Any, str], known: dict[str, str]
) -> None:
    schema, secret = guarded

    @given(case=schema[path][method.upper()].as_strategy())
    @examples(3, suppress_health_check=list(HealthCheck))
    def holds(case: Any) -> None:
        if isinstance(case.body, dict) and "wait_s" in case.body:
            case.body["wait_s"] = 0
        for header in ("Bearer lpnet_nobodys", f"Bearer {secret}"):
            case.call_and_validate(checks=CHECKS, headers={"Authorization": header})

    holds()
