"""Traces reach a collector where the environment names one, and cost nothing elsewhere."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from tests.harness.loglines import logged
from tests.harness.otlp import Collector, collector

from lpnet.http import Http
from lpnet.installation import install_command
from lpnet.schemas.lpnet import NewTraining
from lpnet.schemas.sample import SampleBatch
from lpnet_service.api.app import Application
from lpnet_service.errors import SetupError
from lpnet_service.observe import tracing
from lpnet_service.services.learning import runs, trainings
from lpnet_service.services.learning.runs import ClaimedRun
from lpnet_service.services.measuring import ingest
from lpnet_service.services.shared.context import Context
from lpnet_service.worker.loop import tick

Bench = Any
TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
TRACEPARENT = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def received(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    with collector() as collector_:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector_.endpoint)
        yield collector_


def test_a_request_is_a_span_with_the_units_of_the_database_in_it(
    received: Collector, bench: Bench
) -> None:
    app = Application(bench.ctx)
    with logged() as lines, tracing.traces("api", app), TestClient(app) as http:
        path = f"/v1/targets/{bench.target}"
        http.get(path, headers={"traceparent": TRACEPARENT, "X-Request-Id": "mine"})
        http.get("/healthz")
        http.get("/readyz")
        http.get("/metrics")
    (request,) = received.named("GET /v1/targets/{name}")
    assert (request.trace, request.parent) == (TRACE, PARENT)
    assert request.attributes["lpnet.request_id"] == "mine"
    reads = received.named("database read")
    assert reads
    assert {(read.trace, read.parent) for read in reads} == {(TRACE, request.id)}
    engine = "sqlite" if bench.ctx.db.is_sqlite else "postgresql"
    assert reads[0].attributes["db.system.name"] == engine
    assert {span.name for span in received.spans} == {request.name, "database read"}
    about = request.resource
    assert about["service.name"] == "lpnet-api"
    assert about["service.namespace"] == "lpnet"
    assert about["service.version"]
    (line,) = [line_ for line_ in lines.of("request") if line_["request_id"] == "mine"]
    assert (line["trace_id"], line["span_id"]) == (TRACE, request.id)


def test_a_run_of_the_worker_is_a_trace_of_its_own(received: Collector, bench: Bench) -> None:
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=(bench.sample(),)))
    run = trainings.start(bench.ctx, bench.target, NewTraining())

    def work(ctx: Context, held: ClaimedRun, _progress: Callable[[float, str], None]) -> None:
        runs.fail(ctx, held, "no reason")

    with tracing.traces("worker"):
        assert tick(bench.ctx, {"training": work})
        assert not tick(bench.ctx, {"training": work})
    (span,) = received.named("run")
    assert span.attributes.items() >= {"lpnet.run": run.id, "lpnet.kind": "training"}.items()
    assert span.resource["service.name"] == "lpnet-worker"
    inside = [other for other in received.spans if other is not span]
    assert inside
    # Looking for work, all day long, is in no trace.
    assert {other.parent for other in inside} == {span.id}


def test_a_lease_is_not_given_away(received: Collector, lite_bench: Bench) -> None:
    app = Application(lite_bench.ctx)
    token = "lease-" + "0123456789abcdef01234567"
    with tracing.traces("api", app), TestClient(app) as http:
        headers = {"Authorization": "Bearer s3cret-token"}
        path = f"/v1/leases/{token}/heartbeat"
        assert http.post(path, json={"measured": 0}, headers=headers).status_code == 409
    assert received.named("POST /v1/leases/{token}/heartbeat")
    for body in received.bodies:
        assert token.encode() not in body
        assert b"s3cret" not in body


def test_the_client_carries_a_trace_on(
    received: Collector, lite_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    import httpx

    app = Application(lite_bench.ctx)
    with tracing.traces("api", app), TestClient(app) as inner:

        def handle(request: httpx.Request) -> httpx.Response:
            answer = inner.get(request.url.path, headers=list(request.headers.items()))
            return httpx.Response(answer.status_code, content=answer.content)

        through = httpx.MockTransport(handle)
        Http("http://127.0.0.1:8000", transport=through, traceparent=TRACEPARENT).get(
            "/v1/devices"
        )
        monkeypatch.setenv("TRACEPARENT", TRACEPARENT.replace(TRACE, "a" * 32))
        Http("http://127.0.0.1:8000", transport=through).get("/v1/targets")
    assert received.named("GET /v1/devices")[0].trace == TRACE
    assert received.named("GET /v1/targets")[0].trace == "a" * 32


def test_a_collector_that_is_gone_holds_up_nothing(
    lite_bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    with collector() as gone:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gone.endpoint)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "0.2")
    app = Application(lite_bench.ctx)
    with logged(), tracing.traces("api", app), TestClient(app) as http:
        assert http.get("/v1/devices").status_code == 200
    assert not [thread for thread in threading.enumerate() if thread.name == "last traces"]


def test_without_a_collector_nothing_is_imported(lite_bench: Bench) -> None:
    code = (
        "import sys\n"
        "from lpnet_service.api.app import Application\n"
        "from lpnet_service.observe import tracing\n"
        "with tracing.traces('worker'), tracing.span('a'), tracing.inner_span('b'): pass\n"
        "found = [name for name in sys.modules if name.startswith('opentelemetry.sdk')]\n"
        "assert not found, found\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("switch", ["OTEL_SDK_DISABLED=true", "OTEL_TRACES_EXPORTER=none"])
def test_traces_are_switched_off_as_elsewhere(
    received: Collector, lite_bench: Bench, monkeypatch: pytest.MonkeyPatch, switch: str
) -> None:
    monkeypatch.setenv(*switch.split("="))
    app = Application(lite_bench.ctx)
    with tracing.traces("api", app), TestClient(app) as http:
        http.get("/v1/devices")
    assert received.spans == []


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "got 'grpc'"),
        (None, "", r"OTEL_EXPORTER_OTLP_ENDPOINT is set.*pip install .*\[telemetry\]"),
    ],
)
def test_what_cannot_be_is_said_at_the_start(
    received: Collector,
    monkeypatch: pytest.MonkeyPatch,
    variable: str | None,
    value: str,
    message: str,
) -> None:
    if variable is None:
        # As where the extra is not installed.
        monkeypatch.setitem(sys.modules, "opentelemetry.instrumentation.fastapi", None)
    else:
        monkeypatch.setenv(variable, value)
    with pytest.raises(SetupError, match=message):
        tracing.check()


def test_the_command_refuses_without_the_extra(received: Collector, tmp_path: Path) -> None:
    hidden = tmp_path / "opentelemetry"
    hidden.mkdir()
    (hidden / "__init__.py").write_text("raise ModuleNotFoundError(name='opentelemetry')\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "lpnet_service", "run", "--port", "1"],
        env={**os.environ, "PYTHONPATH": path, "LPNET_DATABASE_URL": f"sqlite:///{tmp_path}/a.db"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.startswith("error: OTEL_EXPORTER_OTLP_ENDPOINT is set")
    assert install_command("telemetry", "lpnet-service") in done.stderr
