"""Polls that are held for idle agents: what wakes them, and that they cost nothing."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event, text

from lpnet.schemas.campaign import NewCampaign
from lpnet.schemas.condition import ConditionReport
from lpnet_service.api.app import Application
from lpnet_service.db import announcements
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.services.measuring import campaigns, conditions, leasing
from lpnet_service.services.shared.context import Context, context
from lpnet_service.settings import Settings

Bench = Any
_NEVER = 3600.0


def set_poll_s(bench: Bench, poll_s: float) -> None:
    settings = bench.ctx.settings.model_copy(update={"poll_s": poll_s})
    object.__setattr__(bench.ctx, "settings", settings)


@pytest.fixture
def unlooked(bench: Bench) -> Bench:
    """A service that learns of jobs by announcements alone."""
    set_poll_s(bench, _NEVER)
    return bench


def new_campaign(bench: Bench) -> NewCampaign:
    return NewCampaign(target=bench.target, space=bench.space.hash, blocks=1, networks=0, pruned=0)


def polled(bench: Bench, happens: Callable[[Application], object]) -> dict[str, Any]:
    """The lease that a held poll gets, once `happens` has been called beside it."""
    application = Application(bench.ctx)
    with TestClient(application) as http:

        def when_held() -> None:
            while not application.state.polls.agents:
                time.sleep(0.005)
            happens(application)

        beside = threading.Thread(target=when_held)
        beside.start()
        asked = {"targets": [bench.target], "wait_s": 60}
        answer = http.post(f"/v1/agents/{bench.agent}/leases", json=asked)
        beside.join()
    assert answer.status_code == 200
    lease: dict[str, Any] = answer.json()
    return lease


def test_a_new_campaign_wakes_its_agent(unlooked: Bench) -> None:
    lease = polled(unlooked, lambda _: campaigns.create(unlooked.ctx, new_campaign(unlooked)))
    assert len(lease["items"]) == 1


def test_a_target_that_is_ready_again_wakes_its_agent(unlooked: Bench) -> None:
    paused = ConditionReport(target=unlooked.target, state="paused", reason="hot", cause="owner")
    conditions.report(unlooked.ctx, unlooked.agent, paused)
    campaigns.create(unlooked.ctx, new_campaign(unlooked))
    ready = ConditionReport(target=unlooked.target, state="ready")
    assert polled(unlooked, lambda _: conditions.report(unlooked.ctx, unlooked.agent, ready))[
        "items"
    ]


def test_a_campaign_of_another_process_reaches_it(bench: Bench, url: str) -> None:
    """On SQLite by a look, on Postgres by a notification."""
    set_poll_s(bench, 0.02 if url.startswith("sqlite") else _NEVER)
    other = context(Settings(database_url=url), clock=bench.clock)
    try:
        assert polled(bench, lambda _: campaigns.create(other, new_campaign(bench)))["items"]
    finally:
        other.db.close()


def test_an_expired_lease_is_found_by_a_look(bench: Bench) -> None:
    set_poll_s(bench, 0.02)
    campaigns.create(bench.ctx, new_campaign(bench))
    held = leasing.claim(bench.ctx, bench.agent, [bench.target])
    assert held is not None
    lease = polled(bench, lambda _: bench.clock.advance(121))
    assert (lease["job"], lease["token"] == held.token) == (held.job, False)


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_a_connection_that_is_cut_is_made_again(
    unlooked: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(announcements, "_RETRY_S", 0.01)

    def cut_and_create(_: Application) -> None:
        query = (
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND query LIKE 'LISTEN%'"
        )
        cut: list[bool] = []
        while not cut:
            with unlooked.ctx.db.write() as session:
                cut = list(session.scalars(text(query)))
        campaigns.create(unlooked.ctx, new_campaign(unlooked))

    assert polled(unlooked, cut_and_create)["items"]


@contextmanager
def writes(ctx: Context) -> Iterator[list[str]]:
    """The transactions that may write."""
    begun: list[str] = []

    def note(_connection: object) -> None:
        begun.append("write")

    event.listen(ctx.db.engine, "begin", note)
    yield begun
    event.remove(ctx.db.engine, "begin", note)


def test_a_look_for_jobs_writes_nothing(bench: Bench) -> None:
    set_poll_s(bench, 0.01)
    asked = {"targets": [bench.target], "wait_s": 0.1}
    with TestClient(Application(bench.ctx)) as http, writes(bench.ctx) as begun:
        for _ in range(2):
            answer = http.post(f"/v1/agents/{bench.agent}/leases", json=asked)
            assert answer.status_code == 204
        # The first look of a process stores who waits.
        assert len(begun) <= 1


def test_an_agent_that_waits_is_in_contact(bench: Bench) -> None:
    set_poll_s(bench, 0.01)

    seen: list[bool] = []

    def wait_long(_: Application) -> None:
        bench.clock.advance(300)
        for _try in range(2_000):
            with bench.ctx.db.read() as session:
                row = DeviceRepository(session).get_agent(bench.agent)
            if row is not None and row.last_seen_at == bench.clock.now():
                seen.append(True)
                break
            time.sleep(0.005)
        campaigns.create(bench.ctx, new_campaign(bench))

    polled(bench, wait_long)
    assert seen


def test_a_client_that_is_gone_gets_no_job(bench: Bench) -> None:
    """Its poll ends at once, and not after `wait_s`."""
    application = Application(bench.ctx)
    body = json.dumps({"targets": [bench.target], "wait_s": 60}).encode()
    sent: list[Any] = []

    async def poll_and_leave() -> None:
        incoming = [{"type": "http.request", "body": body}]

        async def receive() -> Any:
            if incoming:
                return incoming.pop()
            while not application.state.polls.agents:
                await asyncio.sleep(0.005)
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        path = f"/v1/agents/{bench.agent}/leases"
        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
        scope = {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(),
            "query_string": b"", "headers": headers, "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80), "scheme": "http", "http_version": "1.1",
        }  # fmt: skip
        await application(scope, receive, send)

    asyncio.run(poll_and_leave())
    assert sent[0]["status"] == 204
    assert application.state.polls.agents == set()
