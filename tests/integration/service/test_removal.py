"""Deleting what was stored by mistake: samples, then what has nothing on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.harness.tallies import check_tallies

from lpnet.schemas.campaign import Completion, NewCampaign
from lpnet.schemas.sample import SampleBatch
from lpnet_service.api.app import Application
from lpnet_service.services.measuring import campaigns, ingest, job_completion, leasing

Bench = Any


@pytest.fixture
def http(bench: Bench) -> Iterator[TestClient]:
    with TestClient(Application(bench.ctx), raise_server_exceptions=False) as client:
        yield client


def import_(bench: Bench, target: str, count: int) -> None:
    samples = tuple(
        bench.sample(1.0 + n, id=f"sample-{n:04d}", workload=bench.workload(stem=1 + n % 16))
        for n in range(count)
    )
    batch = SampleBatch(target=target, samples=samples)
    ingest.store(bench.ctx, batch, create=True)


def ids(http: TestClient, target: str) -> list[str]:
    page = http.get("/v1/samples", params={"target": target, "limit": 1000}).json()
    return [item["id"] for item in page["items"]]


def remove(http: TestClient, **query: Any) -> Any:
    return http.delete("/v1/samples", params=query)


def test_samples_are_deleted_by_id(http: TestClient, bench: Bench) -> None:
    import_(bench, "table", 4)
    import_(bench, "other", 4)
    answer = remove(http, target="table", id=["sample-0001", "sample-0003", "sample-9999"])
    assert answer.json() == {"deleted": 2}
    assert ids(http, "table") == ["sample-0000", "sample-0002"]
    assert len(ids(http, "other")) == 4
    assert http.get("/v1/targets/table").json()["samples"] == 2
    check_tallies(bench.ctx.db)


def test_samples_of_an_import_are_deleted_by_its_time(http: TestClient, bench: Bench) -> None:
    import_(bench, "table", 2)
    bench.clock.advance(10)
    start = bench.clock.now().isoformat()
    import_(bench, "table", 600)
    answer = remove(http, target="table", stored_from=start, stored_to=start)
    assert answer.json() == {"deleted": 598}
    assert ids(http, "table") == ["sample-0000", "sample-0001"]
    assert remove(http, target="table", stored_from=start).json() == {"deleted": 0}


@pytest.mark.parametrize(
    "query", [{}, {"id": "sample-0000", "stored_from": "2026-01-01T00:00:00Z"}]
)
def test_it_must_be_clear_which_samples(
    http: TestClient, bench: Bench, query: dict[str, str]
) -> None:
    import_(bench, "table", 1)
    answer = remove(http, target="table", **query)
    assert answer.status_code == 422
    assert [fault["field"] for fault in answer.json()["errors"]] == ["id"]
    assert remove(http, target="nobody", id="sample-0000").status_code == 404


def test_samples_of_a_running_campaign_stay(http: TestClient, bench: Bench) -> None:
    new = NewCampaign(target=bench.target, space=bench.space.hash, blocks=30, networks=0, pruned=0)
    campaign = campaigns.create(bench.ctx, new)
    lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
    assert lease is not None
    results = [
        bench.sample(id=item.id, kind=item.kind, workload=item.workload.model_dump())
        for item in lease.items
    ]
    job = leasing.find_job(bench.ctx, lease.token)
    job_completion.complete(bench.ctx, job, Completion(samples=tuple(results)))
    answer = remove(http, target=bench.target, id=results[0].id)
    assert answer.status_code == 409
    assert campaign.id in answer.json()["detail"]
    campaigns.cancel(bench.ctx, campaign.id)
    assert remove(http, target=bench.target, id=results[0].id).json() == {"deleted": 1}


def test_a_target_and_its_device_are_deleted_once_empty(http: TestClient, bench: Bench) -> None:
    import_(bench, "table", 2)
    refused = http.delete("/v1/targets/table")
    assert refused.status_code == 409
    assert refused.json()["detail"] == "target 'table' is not empty: it has 2 samples"
    assert http.delete("/v1/devices/table").status_code == 409
    remove(http, target="table", id=["sample-0000", "sample-0001"])
    assert http.delete("/v1/targets/table").status_code == 204
    assert http.delete("/v1/targets/table").status_code == 404
    assert http.delete("/v1/devices/table").status_code == 204
    assert http.delete("/v1/devices/table").status_code == 404
    assert [device["name"] for device in http.get("/v1/devices").json()["items"]] == ["desk"]
    import_(bench, "table", 2)


def test_what_an_agent_would_add_again_stays_while_it_runs(http: TestClient, bench: Bench) -> None:
    refused = http.delete(f"/v1/targets/{bench.target}")
    assert (refused.status_code, "agent" in refused.json()["detail"]) == (409, True)
    assert http.delete("/v1/devices/desk").status_code == 409
    bench.clock.advance(1000)
    assert http.delete(f"/v1/targets/{bench.target}").status_code == 204
    assert http.delete("/v1/devices/desk").status_code == 204


def test_a_space_is_deleted_once_nothing_uses_it(http: TestClient, bench: Bench) -> None:
    import_(bench, "table", 1)
    path = f"/v1/spaces/{bench.space.hash}"
    assert http.delete(path).status_code == 409
    remove(http, target="table", id="sample-0000")
    assert http.delete(path).status_code == 204
    assert http.delete(path).status_code == 404
    # A process may still know the space.
    batch = {"target": "table", "samples": [{"workload": bench.workload(), "latency_ms": 1.0,
                                             "kind": "network"}]}  # fmt: skip
    assert http.post("/v1/samples:batch", json=batch).status_code == 409
