"""Every request has an id, one line in the log with what is known of it, and no secret in it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.harness.loglines import Lines, logged

from lpnet.errors import ServerFault
from lpnet.http import Http
from lpnet.schemas.campaign import NewCampaign
from lpnet.schemas.sample import SampleBatch
from lpnet_service.api.app import Application
from lpnet_service.services.measuring import campaigns, ingest

Bench = Any


@pytest.fixture
def lines() -> Iterator[Lines]:
    with logged() as lines_:
        yield lines_


@pytest.fixture
def http(lite_bench: Bench) -> Iterator[TestClient]:
    with TestClient(Application(lite_bench.ctx), raise_server_exceptions=False) as client:
        yield client


def test_a_request_has_one_line(http: TestClient, lite_bench: Bench, lines: Lines) -> None:
    answer = http.get(f"/v1/targets/{lite_bench.target}", headers={"X-Request-Id": "mine-1"})
    assert answer.headers["x-request-id"] == "mine-1"
    (line,) = lines.of("request")
    assert (
        line.items()
        >= {
            "request_id": "mine-1",
            "method": "GET",
            "route": "/v1/targets/{name}",
            "status": 200,
            "level": "info",
            "target": lite_bench.target,
            "device": "desk",
        }.items()
    )
    assert line["duration_ms"] >= 0


@pytest.mark.parametrize("request_id", ["", "two words", "x" * 65, 'quo"te', "new\tline", "ü"])
def test_an_id_that_could_do_harm_is_replaced(http: TestClient, request_id: str) -> None:
    raw = [(b"X-Request-Id", request_id.encode("latin-1"))]
    ids = {http.get("/healthz", headers=raw).headers["x-request-id"] for _ in range(2)}
    assert request_id not in ids
    assert len(ids) == 2


def test_the_ids_of_a_job_are_on_the_lines_of_its_requests(
    http: TestClient, lite_bench: Bench, lines: Lines
) -> None:
    new = NewCampaign(
        target=lite_bench.target, space=lite_bench.space.hash, blocks=1, networks=0, pruned=0
    )
    campaign = campaigns.create(lite_bench.ctx, new)
    path = f"/v1/agents/{lite_bench.agent}/leases"
    lease = http.post(path, json={"targets": [lite_bench.target]}).json()
    http.post(f"/v1/leases/{lease['token']}/heartbeat", json={"measured": 0})
    failure = {"reason": "why not", "postponed": True}
    http.post(f"/v1/leases/{lease['token']}/fail", json=failure)
    fields_ = {
        "job": lease["job"],
        "lease": lease["token"][:12],
        "campaign": campaign.id,
        "target": lite_bench.target,
        "agent": lite_bench.agent,
    }
    poll, held, failed = lines.of("request")
    for line in (poll, held, failed):
        assert line.items() >= fields_.items()
    assert lease["token"] not in lines.text
    batch = SampleBatch(target=lite_bench.target, samples=(lite_bench.sample(),))
    ingest.store(lite_bench.ctx, batch)
    run = http.post(f"/v1/targets/{lite_bench.target}/lpnets", json={}).json()
    assert lines.of("request")[-1]["run"] == run["id"]


def test_a_fault_says_its_request_id_and_is_logged_once(lite_bench: Bench, lines: Lines) -> None:
    app = Application(lite_bench.ctx)

    @app.get("/fault")
    def fault() -> None:
        raise RuntimeError("postgresql://me:s3cret@db/x")

    with TestClient(app) as client:
        answer = client.get("/fault")
    assert answer.status_code == 500
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    failed, request = lines.of("request failed"), lines.of("request")
    assert [line["request_id"] for line in failed + request] == [answer.json()["request_id"]] * 2
    assert "RuntimeError" in failed[0]["exception"]
    assert request[0]["status"] == 500
    assert lines.text.count("Traceback") == 1
    assert "s3cret" not in lines.text


def test_an_answer_that_breaks_off_is_left_to_the_server(lite_bench: Bench) -> None:
    """It has to cut the connection: the client would wait for the rest."""
    app = Application(lite_bench.ctx)
    sent: list[Any] = []

    @app.get("/half")
    def half() -> Any:
        from fastapi.responses import StreamingResponse

        def pieces() -> Iterator[bytes]:
            yield b"one"
            raise RuntimeError("the rest is gone")

        return StreamingResponse(pieces())

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(3600)
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/half", "headers": [], "query_string": b""}
    with pytest.raises(RuntimeError, match="the rest is gone"):
        asyncio.run(app(scope, receive, send))
    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]


def test_a_statement_that_fails_keeps_its_parameters(
    http: TestClient, lite_bench: Bench, lines: Lines
) -> None:
    with lite_bench.ctx.db.write() as session:
        session.connection().exec_driver_sql("ALTER TABLE jobs RENAME COLUMN lease_token TO token")
    token = "lease-" + "0123456789abcdef01234567"
    headers = {"Authorization": "Bearer s3cret-token", "Cookie": "lpnet_session=s3cret-cookie"}
    path = f"/v1/leases/{token}/heartbeat"
    answer = http.post(path, json={"measured": 0}, headers=headers)
    assert answer.status_code == 500
    assert "no such column" in lines.of("request failed")[0]["exception"]
    for secret in (token, "s3cret"):
        assert secret not in lines.text + answer.text
    assert "hide_parameters=True" in lines.text


def test_the_clients_error_finds_the_line(lite_bench: Bench, lines: Lines) -> None:
    """httpx logs the whole path of a request, which is not for the log either."""
    app = Application(lite_bench.ctx)

    @app.get("/fault")
    def fault() -> None:
        raise RuntimeError("gone")

    with TestClient(app) as inner:
        http = Http("http://127.0.0.1:8000", transport=_through(inner), attempts=1)
        with pytest.raises(ServerFault) as caught:
            http.get("/fault")
    assert caught.value.request_id == http.request_id == lines.of("request")[0]["request_id"]
    assert str(caught.value).endswith(f"(request {http.request_id})")
    assert logging.getLogger("httpx").level >= logging.WARNING


def _through(client: TestClient) -> Any:
    import httpx

    def handle(request: httpx.Request) -> httpx.Response:
        answer = client.request(
            request.method, request.url.path, headers=list(request.headers.items())
        )
        return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)

    return httpx.MockTransport(handle)
