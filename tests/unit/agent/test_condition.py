"""What the server is told of the condition, and how often."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from lpnet.http import Http
from lpnet_agent.serve.condition_report import ConditionReporter
from lpnet_agent.serve.readiness import Readiness

SEAT = "5" * 32
PAUSED = Readiness("paused", "it is hot", 1.0, cause="owner")


@pytest.fixture
def server() -> Iterator[tuple[Http, list[dict[str, Any]]]]:
    """A server that has cleared the target twice, and what it was told."""
    reported: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            reported.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            content = json.dumps({"cleared": 2, "epoch": 3}).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        with Http(f"http://127.0.0.1:{listener.server_port}", attempts=1, timeout=10) as http:
            yield http, reported
        listener.shutdown()
        thread.join()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr("lpnet_agent.serve.condition_report.time.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("readiness", [Readiness(), PAUSED])
def test_a_condition_is_told_again_and_again_while_it_lasts(
    server: tuple[Http, list[dict[str, Any]]], clock: list[float], readiness: Readiness
) -> None:
    """Ready as well: a report of another condition may have come after the last one."""
    http, reported = server
    reporter = ConditionReporter(http, "box", 30, SEAT)
    for seconds in (0, 29, 1, 29, 1):
        clock[0] += seconds
        reporter.report("a1", readiness, 2)
    assert [report["state"] for report in reported] == [readiness.state] * 3
    assert {report["seat"] for report in reported} == {SEAT}


def test_a_change_is_told_at_once(
    server: tuple[Http, list[dict[str, Any]]], clock: list[float]
) -> None:
    http, reported = server
    reporter = ConditionReporter(http, "box", 30)
    for readiness in (Readiness(), PAUSED, Readiness()):
        assert reporter.report("a1", readiness, 2) is None
    assert [report["state"] for report in reported] == ["ready", "paused", "ready"]
    assert [report.get("cause") for report in reported] == [None, "owner", None]
    reporter.forget()
    assert reporter.report("a1", Readiness(), 1) == 2, "one clearing is new"
