"""The database is away, or has no free connection: 503 everywhere, and one line in the log."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from psycopg import errors
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError
from structlog.testing import capture_logs
from tests.harness.site import free_port

from lpnet_service.api.app import Application, operations
from lpnet_service.db import engine
from lpnet_service.db.engine import Database
from lpnet_service.db.outages import outage
from lpnet_service.services.shared.context import Context, context
from lpnet_service.settings import Settings

Bench = Any
HASH = "0" * 64
WORKLOAD = {"ops": [{"type": "linear", "c_in": 8, "c_out": 8}]}
SAMPLES = [{"workload": WORKLOAD, "latency_ms": 1.0}]
BODIES: dict[str, dict[str, Any]] = {
    "/v1/agents": {
        "device": "d", "facts": {}, "targets": [{"name": "d-cpu"}], "agent_version": "1"
    },
    "/v1/agents/{id}/leases": {"targets": ["d-cpu"], "wait_s": 0},
    "/v1/agents/{id}/condition": {"target": "d-cpu", "state": "ready"},
    "/v1/leases/{token}/heartbeat": {},
    "/v1/leases/{token}/complete": {},
    "/v1/leases/{token}/fail": {"reason": "no runtime"},
    "/v1/targets/{name}/lpnets": {},
    "/v1/targets/{name}/studies": {"samples": 2},
    "/v1/campaigns": {"target": "d-cpu", "space": HASH},
    "/v1/campaigns:estimate": {"target": "d-cpu", "space": HASH},
    "/v1/samples:batch": {"target": "d-cpu", "samples": SAMPLES},
    "/v1/predictions": {"target": "d-cpu", "space": HASH, "widths": [{}]},
    "/v1/curves": {"targets": ["d-cpu"], "space": HASH, "width": "w"},
    "/v1/session": {"token": "a" * 40},
    "/v1/prunings": {
        "id": f"pruning-{'0' * 24}", "job": f"prune-{'0' * 24}", "round": 1, "chosen": True,
        "target": "d-cpu", "space": HASH, "method": "m", "model": "m", "data": "d", "seed": 0,
        "budget_ms": 1, "dense_predicted_ms": 1, "predicted_ms": 1, "accuracy_before": 0.5,
        "macs_before": 1, "macs_after": 1, "params_before": 1, "params_after": 1, "widths": {},
        "created_at": "2026-01-31T12:00:00Z", "lpnet_version": "1",
    },
}  # fmt: skip
# With nobody to identify, they do not use the database.
WITHOUT = {"get /healthz", "get /metrics", "get /v1/session", "delete /v1/session"}
IDS = {"agents": "agent", "leases": "lease", "lpnets": "lpnet", "trainings": "run",
       "campaigns": "campaign", "prunings": "pruning"}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgres"])
def away(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Context]:
    """A service whose database is not there."""
    url = f"sqlite:///{tmp_path}/nowhere/lpnet.db"
    if request.param == "postgres":
        url = f"postgresql://lpnet:secret@127.0.0.1:{free_port()}/lpnet"
    ctx = context(Settings(database_url=url))
    yield ctx
    ctx.db.close()


def request(http: TestClient, method: str, path: str, space: bytes, **options: Any) -> Any:
    noun = path.split("/")[2].partition(":")[0] if path.count("/") > 1 else ""
    id_ = f"{IDS.get(noun, '')}-{'0' * 24}"
    url = path.replace("{id}", id_).replace("{token}", id_)
    url = url.replace("{name}", "d-cpu").replace("{hash}", HASH)
    query: dict[str, Any] = {"target": ["a", "b"]} if "compare" in path else {}
    query |= {"target": "a"} if "samples/export" in path else {}
    removed = {"target": "a", "id": f"sample-{'0' * 24}"}
    query |= removed if (method, path) == ("delete", "/v1/samples") else {}
    if path == "/v1/spaces":
        options["content"] = space if method == "post" else None
    elif method == "post":
        options["json"] = BODIES.get(path)
    return http.request(method, url, params=query, **options)


def check(answer: Any, lines: list[Any]) -> None:
    assert (answer.status_code, answer.json()["code"]) == (503, "not_ready"), answer.text
    assert int(answer.headers["retry-after"]) > 0
    assert "127.0.0.1" not in answer.text, "where the database is"
    # A process says once that it is not told of jobs.
    ours = [line for line in lines if "announcements" not in line["event"]]
    warnings = [line for line in ours if line["log_level"] != "info"]
    assert [line["event"] for line in warnings] == ["database out of reach"]
    assert "\n" not in warnings[0]["reason"]
    assert "exc_info" not in warnings[0]


def test_every_endpoint_says_that_it_is_away(away: Context, bench_space: bytes) -> None:
    http = TestClient(Application(away), raise_server_exceptions=False)
    for operation in operations():
        name = f"{operation.method} {operation.path}"
        with capture_logs() as lines:
            answer = request(http, operation.method, operation.path, bench_space)
        if name in WITHOUT:
            assert answer.status_code < 300, name
        elif name != "get /readyz":
            check(answer, lines)


def test_so_does_every_endpoint_that_wants_a_token(away: Context, bench_space: bytes) -> None:
    object.__setattr__(away, "settings", away.settings.model_copy(update={"tokens": "required"}))
    http = TestClient(Application(away), raise_server_exceptions=False)
    headers = {"Authorization": f"Bearer {'a' * 40}"}
    for operation in operations():
        if operation.scopes is None:
            continue
        with capture_logs() as lines:
            answer = request(http, operation.method, operation.path, bench_space, headers=headers)
        check(answer, lines)


@pytest.fixture
def bench_space(space: Any) -> bytes:
    content: bytes = space.to_bytes()
    return content


def test_a_pool_without_a_free_connection(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    small = {"pool_size": 2, "max_overflow": 0, "pool_timeout": 0.01}
    monkeypatch.setattr(engine, "_POOL", engine._POOL | small)
    ctx = context(Settings(database_url=url), db=Database(url))
    http = TestClient(Application(ctx), raise_server_exceptions=False)
    with ExitStack() as held:
        for _ in range(2):
            held.enter_context(ctx.db.read()).connection()
        with capture_logs() as lines:
            answer = http.get("/v1/targets")
        check(answer, lines)
    assert http.get("/v1/targets").status_code == 200
    ctx.db.close()


@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_connections_that_the_server_ends_are_replaced(bench: Bench) -> None:
    http = TestClient(Application(bench.ctx), raise_server_exceptions=False)
    assert http.get("/v1/targets").status_code == 200
    with bench.ctx.db.engine.connect() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert http.get("/v1/targets").status_code == 200


def sqlite_error(statement: str) -> sqlite3.OperationalError:
    connection = sqlite3.connect(":memory:")
    try:
        connection.execute(statement)
    except sqlite3.OperationalError as error:
        return error
    finally:
        connection.close()
    raise AssertionError(statement)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OperationalError("", {}, errors.AdminShutdown("the server stops")), "the server stops"),
        (OperationalError("", {}, errors.TooManyConnections("too\nmany")), "too"),
        (ProgrammingError("", {}, errors.UndefinedTable("targets")), "its tables are missing"),
        (ProgrammingError("", {}, errors.SyntaxError("near x")), None),
        (IntegrityError("", {}, errors.UniqueViolation("twice")), None),
        (OperationalError("", {}, sqlite_error("SELECT * FROM t")), "its tables are missing"),
        (OperationalError("", {}, sqlite_error("SELEKT")), None),
    ],
)
def test_a_mistake_of_the_service_is_no_outage(error: DBAPIError, reason: str | None) -> None:
    found = outage(error)
    assert found is None if reason is None else re.match(reason, str(found))
