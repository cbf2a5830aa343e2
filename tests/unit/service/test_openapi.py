"""The OpenAPI document is complete."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import lpnet.errors
from lpnet.errors import CODES, ApiError, api_error
from lpnet.schemas.campaign import NewCampaign
from lpnet.schemas.curve import CurveRequest
from lpnet.schemas.lpnet import NewStudy, NewTraining, PredictionRequest
from lpnet.schemas.pruning import PruningResult
from lpnet.schemas.sample import SampleBatch
from lpnet.schemas.token import NewSession
from lpnet_service import errors
from lpnet_service.api.app import Application
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

PROBLEM = {"$ref": "#/components/schemas/Problem"}
# It takes nothing that could be wrong, and asks for no token.
CANNOT_FAIL = {"healthz"}
AGENT_PATHS = ("/v1/agents", "/v1/leases")
MODELS: dict[str, type[BaseModel]] = {
    "predict": PredictionRequest,
    "draw_curves": CurveRequest,
    "start_campaign": NewCampaign,
    "estimate_campaign": NewCampaign,
    "start_training": NewTraining,
    "start_study": NewStudy,
    "store_samples": SampleBatch,
    "report_pruning": PruningResult,
    "open_session": NewSession,
}


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    path: Path = tmp_path_factory.mktemp("openapi") / "unused.db"
    ctx = context(Settings(database_url=f"sqlite:///{path}"))
    yield Application(ctx).openapi()
    ctx.db.close()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            yield f"{method.upper()} {path}", operation


def test_every_field_is_described(document: dict[str, Any]) -> None:
    bare = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, spec in schema.get("properties", {}).items()
        if not spec.get("description") and "const" not in spec
    ]
    assert bare == []


def test_every_schema_is_described(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert [name for name, schema in schemas.items() if not schema.get("description")] == []


def test_every_operation_and_parameter_is_described(document: dict[str, Any]) -> None:
    bare = [name for name, op in operations(document) if not op.get("description")]
    bare += [
        f"{name}: {parameter['name']}"
        for name, op in operations(document)
        for parameter in op.get("parameters", [])
        if not parameter.get("description")
    ]
    assert bare == []


def test_every_operation_lists_its_problems(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        answers = operation["responses"]
        listed = [status for status in answers if status >= "400"]
        assert listed or operation["operationId"] in CANNOT_FAIL, name
        for status in listed:
            content = answers[status]["content"]
            assert content == {"application/problem+json": {"schema": PROBLEM}}, (name, status)
        if "requestBody" in operation:
            assert {"413", "422"} <= set(answers), name
        if "{" in name:
            assert {"404", "409"} & set(answers), name
            assert "422" in answers, name


def test_every_operation_has_a_summary_and_a_group_that_is_described(
    document: dict[str, Any],
) -> None:
    groups = {tag["name"] for tag in document["tags"] if tag["description"]}
    summaries = [op["summary"] for _, op in operations(document)]
    assert all(" " in summary and "_" not in summary for summary in summaries), summaries
    assert all(set(op["tags"]) <= groups for _, op in operations(document))


def test_endpoints_of_agents_are_a_group_of_their_own(document: dict[str, Any]) -> None:
    of_agents = {name for name, op in operations(document) if op["tags"] == ["agents"]}
    assert of_agents == {
        name for name, _ in operations(document) if name.split()[1].startswith(AGENT_PATHS)
    }
    assert of_agents


def test_every_body_of_a_client_has_an_example_that_is_valid(document: dict[str, Any]) -> None:
    examples = {}
    for _, operation in operations(document):
        content = operation.get("requestBody", {}).get("content", {})
        if "application/json" in content and operation["tags"] != ["agents"]:
            examples[operation["operationId"]] = content["application/json"].get("example")
    assert set(examples) == set(MODELS)
    for name, model in MODELS.items():
        model.model_validate(examples[name])


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    def references(value: Any) -> Iterator[str]:
        if isinstance(value, dict):
            for key, inner in value.items():
                if key == "$ref":
                    yield inner
                else:
                    yield from references(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from references(inner)

    schemas = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    assert set(references(document)) <= schemas


def test_operations_have_plain_unique_names(document: dict[str, Any]) -> None:
    names = [operation["operationId"] for _, operation in operations(document)]
    assert len(set(names)) == len(names)
    assert all(name.isidentifier() for name in names)


def test_each_refusal_is_the_client_error_of_the_same_name() -> None:
    refusals = list(errors.ServiceError.__subclasses__())
    for refusal in refusals:
        refusals += refusal.__subclasses__()
    assert {refusal.code for refusal in refusals} == CODES
    for refusal in refusals:
        error = api_error(refusal.status, refusal.code, "why")
        assert isinstance(error, getattr(lpnet.errors, refusal.__name__)), refusal
        # A client that does not know the code yet gets a class of its HTTP status.
        assert type(api_error(refusal.status, "new_code", "why")) is not ApiError, refusal
