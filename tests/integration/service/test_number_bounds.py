"""Every number that a request may hold, at its bounds: stored, and read by every endpoint."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.harness.bounds import Bounds

from lpnet.schemas.campaign import NewCampaign
from lpnet_service.api.app import Application
from lpnet_service.services.measuring import campaigns, leasing

Bench = Any
# A width is bounded by its space, and options of runtimes are text to the service.
UNBOUNDED = (".widths", ".at")


@pytest.fixture
def http(bench: Bench) -> Iterator[TestClient]:
    with TestClient(Application(bench.ctx), raise_server_exceptions=False) as client:
        yield client


def bounds_of(document: dict[str, Any], space: str) -> Bounds:
    strings = {"name": "desk-cpu", "space": space, "item": "item-0001", "target": "desk-cpu"}
    return Bounds(document["components"]["schemas"], strings)


def bodies(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for path, methods in document["paths"].items():
        content = methods.get("post", {}).get("requestBody", {}).get("content", {})
        if "application/json" in content:
            yield path, content["application/json"]["schema"]


def test_every_number_has_a_smallest_and_a_largest_value(lite_bench: Bench) -> None:
    document = Application(lite_bench.ctx).openapi()
    bounds = bounds_of(document, "0" * 64)
    bare = {
        f"{path}{field}"
        for path, schema in bodies(document)
        for field in bounds.unbounded(schema)
        if not field.removesuffix(".*").endswith(UNBOUNDED)
    }
    bare |= {
        f"{path}: {parameter['name']}"
        for path, methods in document["paths"].items()
        for operation in methods.values()
        for parameter in operation.get("parameters", ())
        if list(bounds.unbounded(parameter["schema"]))
    }
    assert bare == set()


def base_of(bench: Bench, path: str) -> dict[str, Any]:
    workload = {"ops": [{"type": "linear", "c_in": 8, "c_out": 8}]}
    sample = {"workload": workload, "latency_ms": 1.0}
    target = {"target": bench.target}
    of_space = target | {"space": bench.space.hash}
    result = of_space | {
        "id": f"pruning-{'0' * 24}", "job": f"prune-{'0' * 24}", "round": 1, "chosen": True,
        "method": "m", "model": "m", "data": "d", "seed": 0, "budget_ms": 1,
        "dense_predicted_ms": 1, "predicted_ms": 1, "accuracy_before": 0.5, "macs_before": 1,
        "macs_after": 1, "params_before": 1, "params_after": 1, "widths": bench.widths(),
        "created_at": "2026-01-31T12:00:00Z", "lpnet_version": "1",
        "epochs": {"fine-tune": 1}, "seconds": {"fine-tune": 1.0},
    }  # fmt: skip
    registration = {
        "device": "desk",
        "facts": {},
        "targets": [{"name": bench.target, "runtime": "onnxruntime", "threads": 1}],
        "agent_version": "1",
    }
    drawn = of_space | {"blocks": 1, "networks": 0, "pruned": 0, "repeats": 0}
    bases: dict[str, dict[str, Any]] = {
        "/v1/agents": registration,
        "/v1/agents/{id}/leases": {"targets": [bench.target], "wait_s": 0},
        "/v1/agents/{id}/condition": target | {"state": "ready"},
        "/v1/leases/{token}/heartbeat": {},
        "/v1/leases/{token}/complete": {"samples": [sample | {"sentinel": "memory"}]},
        "/v1/leases/{token}/fail": {"reason": "no runtime"},
        "/v1/targets/{name}/lpnets": {},
        "/v1/targets/{name}/studies": {"samples": 2},
        "/v1/campaigns": drawn,
        "/v1/campaigns:estimate": drawn,
        "/v1/samples:batch": target | {"samples": [sample]},
        "/v1/predictions": of_space | {"widths": [bench.widths()]},
        "/v1/curves": {"targets": [bench.target], "space": bench.space.hash, "width": "stem"},
        "/v1/session": {"token": "a" * 40},
        "/v1/prunings": result,
    }
    return bases[path]


# The wait is real, a large campaign takes long to draw, and batches hold the same samples.
SKIPPED = {".wait_s", ".blocks", ".networks", ".repeats", ".pruned"}
SAME = ("/v1/leases/{token}/complete", ".samples.")


def posted(http: TestClient, bench: Bench, ids: dict[str, str]) -> set[tuple[str, str]]:
    """Post a document for each bound of each number; returns what was stored: path and field."""
    document = http.get("/openapi.json").json()
    bounds = bounds_of(document, bench.space.hash)
    # Many ops have the same fields: one that is stored is enough.
    stored = set[tuple[str, str]]()
    for path, schema in bodies(document):
        base = base_of(bench, path)
        url = filled(path, ids)
        for number, (field, body) in enumerate(bounds.documents(schema, copy.deepcopy(base))):
            is_same = path == SAME[0] and field.startswith(SAME[1])
            if field.partition(" ")[0] in SKIPPED or is_same or (path, field) in stored:
                continue
            if path == "/v1/prunings":
                body["id"] = f"pruning-{number:024d}"
            answer = http.post(url, json=ordered(body))
            assert answer.status_code < 500, (path, field, answer.text)
            if answer.status_code < 300:
                stored.add((path, field))
    return stored


def ordered(body: dict[str, Any]) -> dict[str, Any]:
    """A sample whose latency is not below its fastest runs."""
    for sample in body.get("samples", ()) if isinstance(body.get("samples"), list) else ():
        low = [sample[name] for name in ("min_ms", "p10_ms", "p90_ms") if name in sample]
        sample["latency_ms"] = max([sample["latency_ms"], *low])
    return body


def filled(path: str, ids: dict[str, str]) -> str:
    noun = path.split("/")[2] if path.count("/") > 1 else ""
    url = path.replace("{id}", ids.get(noun, "")).replace("{token}", ids.get("leases", ""))
    return url.replace("{name}", ids["targets"]).replace("{hash}", ids["spaces"])


def test_what_is_stored_at_its_bounds_is_read_everywhere(http: TestClient, bench: Bench) -> None:
    new = NewCampaign(
        target=bench.target, space=bench.space.hash, blocks=1, networks=0, pruned=0, repeats=0
    )
    campaign = campaigns.create(bench.ctx, new)
    lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
    assert lease is not None
    ids = {
        "agents": bench.agent,
        "leases": lease.token,
        "campaigns": campaign.id,
        "targets": bench.target,
        "spaces": bench.space.hash,
    }
    assert {path for path, _ in posted(http, bench, ids)} >= {
        "/v1/agents",
        "/v1/agents/{id}/condition",
        "/v1/samples:batch",
        "/v1/campaigns",
        "/v1/prunings",
    }
    ids["trainings"] = http.post(f"/v1/targets/{bench.target}/lpnets", json={}).json()["id"]
    ids["prunings"] = f"pruning-{0:024d}"
    document = http.get("/openapi.json").json()
    for path, methods in document["paths"].items():
        if "get" not in methods:
            continue
        query: dict[str, Any] = {"target": [bench.target] * 2} if "compare" in path else {}
        query |= {"target": bench.target} if "samples/export" in path else {}
        answer = http.get(filled(path, ids), params=query)
        assert answer.status_code < 500, (path, answer.text)
    assert len(http.get("/v1/samples", params={"limit": 1000}).json()["items"]) > 50


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("latency_ms", 5e-324),
        ("latency_ms", 3.7e6),
        ("count", 2**31),
        ("measured_at", "0001-01-01T00:00:00Z"),
        ("measured_at", "2200-01-01T00:00:00Z"),
    ],
)
def test_what_no_device_measures_is_refused(
    http: TestClient, bench: Bench, field: str, value: object
) -> None:
    workload = {"ops": [{"type": "linear", "c_in": 8, "c_out": 8}]}
    sample = {"workload": workload, "latency_ms": 1.0} | {field: value}
    batch = {"target": bench.target, "samples": [sample]}
    answer = http.post("/v1/samples:batch", json=batch)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == f"samples.0.{field}"
