"""What people type into requests: names of spaces, single vectors, wrong parameters."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.harness.published import publish

from lpnet_service.api.app import Application
from lpnet_service.services.shared import spaces

Bench = Any


@pytest.fixture
def http(lite_bench: Bench) -> TestClient:
    publish(lite_bench)
    return TestClient(Application(lite_bench.ctx), raise_server_exceptions=False)


def predict(http: TestClient, bench: Bench, **fields: Any) -> Any:
    body = {"target": bench.target, "space": bench.space.hash, "widths": [{}]} | fields
    return http.post("/v1/predictions", json=body)


def errors(answer: Any, status: int = 422) -> dict[str, str]:
    assert answer.status_code == status, answer.text
    return {error["field"]: error["reason"] for error in answer.json()["errors"]}


def test_a_space_may_be_named(http: TestClient, lite_bench: Bench) -> None:
    space = lite_bench.space
    by_hash = predict(http, lite_bench).json()
    assert predict(http, lite_bench, space=space.name).json() == by_hash
    new = {"target": lite_bench.target, "space": space.name, "blocks": 3, "networks": 0}
    assert http.post("/v1/campaigns", json=new | {"pruned": 0}).json()["space"] == space.hash
    assert http.get(f"/v1/spaces/{space.name}").json()["hash"] == space.hash
    curve = {"targets": [lite_bench.target], "width": space.widths[0].name, "space": space.name}
    assert http.post("/v1/curves", json=curve).status_code == 200
    for path in ("samples", "prunings", f"targets/{lite_bench.target}/table"):
        assert http.get(f"/v1/{path}", params={"space": space.name}).status_code == 200, path


def test_an_unknown_name_of_a_space_is_not_found(http: TestClient, lite_bench: Bench) -> None:
    answer = predict(http, lite_bench, space="no-such-space")
    assert answer.status_code == 404
    assert "no-such-space" in answer.json()["detail"]
    assert http.get("/v1/samples?space=no-such-space").status_code == 404


def test_a_name_of_several_spaces_is_refused_with_their_hashes(
    http: TestClient, lite_bench: Bench
) -> None:
    space = lite_bench.space
    other = dataclasses.replace(space.at(batch=1, resolution=24), name=space.name)
    assert other.hash != space.hash
    spaces.add(lite_bench.ctx, other.to_bytes())
    reason = errors(predict(http, lite_bench, space=space.name))["space"]
    assert space.hash in reason
    assert other.hash in reason
    assert predict(http, lite_bench).status_code == 200


def test_a_width_that_is_not_named_is_dense(http: TestClient, lite_bench: Bench) -> None:
    space = lite_bench.space
    dense = {width.name: width.max for width in space.widths}
    first = space.widths[0]
    answer = predict(http, lite_bench, widths=[{}, dense, {first.name: first.granule}])
    whole, named, narrow = (entry["latency_ms"] for entry in answer.json()["predictions"])
    assert whole == named
    full = predict(http, lite_bench, widths=[dense | {first.name: first.granule}])
    assert narrow == full.json()["predictions"][0]["latency_ms"]
    unknown = predict(http, lite_bench, widths=[{"nowhere": 1}])
    assert errors(unknown) == {"widths.0.nowhere": "there is no such width"}


@pytest.mark.parametrize("vector", [{"a": 1}, [8, 8]])
def test_a_vector_in_place_of_a_list_is_named(
    http: TestClient, lite_bench: Bench, vector: Any
) -> None:
    assert errors(predict(http, lite_bench, widths=vector)) == {
        "widths": "must be a list of width vectors; put this vector into a list: [...]"
    }


@pytest.mark.parametrize(
    ("vector", "reason"),
    [
        ({"a": "many"}, "'a' must be a whole number of channels"),
        ({"a": 1.5}, "'a' must be a whole number of channels"),
        ([8, None], "value 1 must be a number of channels"),
        ("dense", "must be an object of channels by name, or a list of numbers"),
    ],
)
def test_a_wrong_vector_has_one_reason(
    http: TestClient, lite_bench: Bench, vector: Any, reason: str
) -> None:
    assert errors(predict(http, lite_bench, widths=[{}, vector])) == {"widths.1": reason}


def test_unknown_query_parameters_are_refused(http: TestClient, lite_bench: Bench) -> None:
    answer = http.get(f"/v1/targets/{lite_bench.target}/table?sorted=1&block=x&what=2")
    reasons = errors(answer)
    assert set(reasons) == {"sorted", "what"}
    assert "known: after, block, disturbed" in reasons["sorted"]
    assert errors(http.get("/v1/devices?limit=3")) == {
        "limit": "there is no such parameter; known: none"
    }
    # Whatever supervises a service may add some.
    assert http.get("/healthz?now=1").status_code == 200


def test_the_reference_is_served_and_loads_nothing_from_elsewhere(http: TestClient) -> None:
    answer = http.get("/docs")
    assert answer.status_code == 200
    for text in ("POST /v1/predictions", "resnet20", "PredictionRequest", "Only for"):
        assert text in answer.text
    # The rest of a first paragraph, and names in Markdown's quotes.
    assert "its samples are kept." in answer.text
    assert "<code>no_lpnet</code>" in answer.text
    assert "https://" not in answer.text
