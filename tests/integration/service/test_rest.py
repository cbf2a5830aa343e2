"""The REST API: statuses, problems, polls, files."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from hashlib import sha256
from typing import Any

import pytest
from fastapi.testclient import TestClient

from lpnet.schemas.campaign import NewCampaign
from lpnet_service.api.app import Application
from lpnet_service.services.measuring import campaigns

Bench = Any


@pytest.fixture
def http(bench: Bench) -> Iterator[TestClient]:
    with TestClient(Application(bench.ctx), raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def lite_http(lite_bench: Bench) -> Iterator[TestClient]:
    with TestClient(Application(lite_bench.ctx), raise_server_exceptions=False) as client:
        yield client


def problem(answer: Any, status: int, code: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, "about:blank")
    assert body["title"]
    assert body["detail"]
    return body


def test_an_agent_works_through_a_campaign(http: TestClient, bench: Bench) -> None:
    new = {"target": bench.target, "space": bench.space.hash, "blocks": 6, "networks": 1}
    answer = http.post("/v1/campaigns", json=new | {"pruned": 0, "repeats": 0})
    assert answer.status_code == 201
    where = answer.headers["location"]
    lease = http.post(f"/v1/agents/{bench.agent}/leases", json={"targets": [bench.target]}).json()
    token = lease["token"]
    beat = http.post(f"/v1/leases/{token}/heartbeat", json={"measured": 1})
    assert beat.json() == {"expires_s": 120.0}
    fields = ("id", "kind", "workload", "draw")
    samples = [
        {name: item[name] for name in fields} | {"latency_ms": 1} for item in lease["items"]
    ]
    done = http.post(f"/v1/leases/{token}/complete", json={"samples": samples})
    assert done.json() == {"stored": 7, "known": 0}
    campaign = http.get(where).json()
    assert (campaign["state"], campaign["measured"], campaign["total"]) == ("done", 7, 7)
    page = http.get("/v1/samples", params={"campaign": campaign["id"], "limit": 3}).json()
    assert len(page["items"]) == 3
    assert page["next"]
    assert http.get(f"/v1/targets/{bench.target}").json()["samples"] == 7
    assert len(http.get(f"/v1/targets/{bench.target}/table").json()["items"]) == 7
    export = http.get("/v1/samples/export", params={"target": bench.target, "format": "jsonl"})
    assert [json.loads(line)["latency_ms"] for line in export.text.splitlines()] == [1.0] * 7
    late = http.post(f"/v1/leases/lease-{'0' * 24}/complete", json={})
    problem(late, 409, "lease_lost")


def test_a_poll_that_finds_nothing_ends_without_a_job(http: TestClient, bench: Bench) -> None:
    request = {"targets": [bench.target], "wait_s": 0.05}
    answer = http.post(f"/v1/agents/{bench.agent}/leases", json=request)
    assert (answer.status_code, answer.content) == (204, b"")


def test_a_held_poll_gets_the_job_that_comes_up(http: TestClient, bench: Bench) -> None:
    new = NewCampaign(target=bench.target, space=bench.space.hash, blocks=1, networks=0, pruned=0)
    later = threading.Timer(0.1, lambda: campaigns.create(bench.ctx, new))
    later.start()
    request = {"targets": [bench.target], "wait_s": 30}
    answer = http.post(f"/v1/agents/{bench.agent}/leases", json=request)
    later.join()
    assert answer.status_code == 200
    assert len(answer.json()["items"]) == 1


def test_a_job_given_back_is_nobodys(http: TestClient, bench: Bench) -> None:
    new = NewCampaign(target=bench.target, space=bench.space.hash, blocks=1, networks=0, pruned=0)
    campaigns.create(bench.ctx, new)
    poll = {"targets": [bench.target], "wait_s": 0}
    token = http.post(f"/v1/agents/{bench.agent}/leases", json=poll).json()["token"]
    given_back = http.post(f"/v1/leases/{token}/fail", json={"reason": "no runtime"})
    assert (given_back.status_code, given_back.content) == (204, b"")
    problem(http.post(f"/v1/leases/{token}/heartbeat", json={}), 409, "lease_lost")


def test_a_space_is_uploaded_once(http: TestClient, bench: Bench) -> None:
    content = bench.space.at(resolution=24).to_bytes()
    first = http.post("/v1/spaces", content=content)
    assert first.status_code == 201
    again = http.post("/v1/spaces", content=content)
    assert (again.status_code, again.json()) == (200, first.json())
    hash_ = first.json()["hash"]
    assert http.get(f"/v1/spaces/{hash_}").json() == first.json()
    file = http.get(f"/v1/spaces/{hash_}/file")
    assert file.content == content
    assert file.headers["etag"] == f'"{sha256(content).hexdigest()}"'
    headers = {"If-None-Match": f'W/"other", {file.headers["etag"]}'}
    assert http.get(f"/v1/spaces/{hash_}/file", headers=headers).status_code == 304
    names = [item["name"] for item in http.get("/v1/spaces").json()["items"]]
    assert names == ["little", "little"]


@pytest.mark.parametrize("content", [b"", b"no space", b"\x08\x07" * 100])
def test_what_is_no_space_is_refused(lite_http: TestClient, content: bytes) -> None:
    problem(lite_http.post("/v1/spaces", content=content), 422, "space_error")


def test_a_body_that_is_too_large_is_refused(lite_bench: Bench) -> None:
    small = lite_bench.ctx.settings.model_copy(update={"max_body_mib": 1, "max_space_mib": 1})
    object.__setattr__(lite_bench.ctx, "settings", small)
    http = TestClient(Application(lite_bench.ctx), raise_server_exceptions=False)
    problem(http.post("/v1/spaces", content=b"x" * ((1 << 20) + 1)), 413, "too_large")
    problem(http.post("/v1/samples:batch", json={"a": "x" * (1 << 20)}), 413, "too_large")


def test_wrong_fields_are_named(lite_http: TestClient, lite_bench: Bench) -> None:
    sample = {"workload": lite_bench.workload(), "kind": "network", "latency_ms": 1.0}
    batch = {"target": lite_bench.target, "samples": [sample, sample | {"latency_ms": -1}]}
    body = problem(lite_http.post("/v1/samples:batch", json=batch), 422, "bad_request")
    assert [fault["field"] for fault in body["errors"]] == ["samples.1.latency_ms"]
    batch["samples"][1] = sample | {"workload": lite_bench.workload(stem=99)}
    body = problem(lite_http.post("/v1/samples:batch", json=batch), 422, "bad_request")
    assert [fault["field"] for fault in body["errors"]] == ["samples.1.workload.widths.stem"]
    assert lite_http.get("/v1/samples").json()["items"] == []


def test_an_import_makes_its_target(http: TestClient, bench: Bench) -> None:
    sample = {"workload": bench.workload(), "kind": "network", "latency_ms": 1.0}
    batch = {"target": "table-1", "samples": [sample]}
    problem(http.post("/v1/samples:batch", json=batch), 404, "not_found")
    stored = http.post("/v1/samples:batch", params={"create": True}, json=batch)
    assert stored.json() == {"stored": 1, "known": 0}
    assert http.get("/v1/targets/table-1").json()["state"] == "imported"


def test_what_is_not_there(http: TestClient) -> None:
    none = "0" * 24
    for path in [
        "/nowhere",
        "/v1/nowhere",
        "/v1/targets/nobody",
        "/v1/targets/nobody/table",
        "/v1/targets/nobody/lpnets",
        f"/v1/trainings/run-{none}",
        f"/v1/lpnets/lpnet-{none}",
        f"/v1/lpnets/lpnet-{none}/weights",
        f"/v1/lpnets/lpnet-{none}/report",
        f"/v1/campaigns/campaign-{none}",
        f"/v1/spaces/{'0' * 64}",
        f"/v1/spaces/{'0' * 64}/file",
        "/v1/samples/export?target=nobody",
    ]:
        problem(http.get(path), 404, "not_found")
    problem(http.delete("/v1/targets"), 405, "method_not_allowed")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[" * 5000,
        b'{"device": "\\ud800"}',
        b'{"device": "a\\u0000b"}',
        b'{"\\u0000": 1}',
        b'{"facts": {"cores": ' + b"9" * 5000 + b"}}",
        b'{"facts": {"cores": NaN}}',
        b'"\xff"',
        b"null",
    ],
)
def test_a_body_that_cannot_be_kept_is_refused(lite_http: TestClient, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = lite_http.post("/v1/agents", content=body, headers=headers)
    problem(answer, 422, "bad_request")


@pytest.mark.parametrize(
    "path",
    [
        "/v1/targets/%00",
        "/v1/targets/desk-cpu/table?block=%00",
        "/v1/samples?campaign=%00",
        "/v1/samples?after=%FF",
        "/v1/samples?limit=99999999999999999999999",
        "/v1/campaigns/%ED%A0%80",
    ],
)
def test_a_path_or_query_that_cannot_be_looked_up_is_refused(http: TestClient, path: str) -> None:
    problem(http.get(path), 422, "bad_request")


def test_a_time_at_the_end_of_the_calendar_is_refused_or_stored(
    http: TestClient, bench: Bench
) -> None:
    sample = {"workload": bench.workload(), "kind": "network", "latency_ms": 1.0}
    for time, status in [("2200-01-01T00:00:00Z", 422), ("1970-01-01T00:00:00Z", 200)]:
        batch = {"target": bench.target, "samples": [sample | {"measured_at": time}]}
        assert http.post("/v1/samples:batch", json=batch).status_code == status
    assert len(http.get(f"/v1/targets/{bench.target}/table").json()["items"]) == 1


def test_the_service_says_whether_it_is_ready(http: TestClient, bench: Bench) -> None:
    assert http.get("/healthz").json() == {"status": "ok"}
    assert http.get("/readyz").json() == {"status": "ok"}
    with bench.ctx.db.write() as session:
        session.connection().exec_driver_sql("DELETE FROM alembic_version")
    problem(http.get("/readyz"), 503, "not_ready")
    assert http.get("/healthz").status_code == 200
