"""An agent whose device slows down in the middle of a job: a real loop, spool and HTTP, with a
scripted device and a scripted server."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal, cast

import pytest
import structlog
from pydantic import TypeAdapter, ValidationError

from lpnet import zoo
from lpnet.http import Http
from lpnet.schemas.campaign import Lease, LeasedItem
from lpnet.schemas.device import DeviceFacts, Registration, TargetSpec
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.space import Space
from lpnet.stop import Stop
from lpnet_agent.measure.job import Measurer, VisitSchedule
from lpnet_agent.measure.messages import Item
from lpnet_agent.measure.probe_levels import UNKNOWN, ProbeLevels
from lpnet_agent.owner.limits import Limits
from lpnet_agent.owner.owner_rules import OwnerRules
from lpnet_agent.sentinels.health import SENTINELS, Health, Policy
from lpnet_agent.sentinels.monitor import SentinelMonitor
from lpnet_agent.sentinels.store import SentinelStore
from lpnet_agent.serve.backoff import Backoff
from lpnet_agent.serve.condition_report import ConditionReporter
from lpnet_agent.serve.loop import Agent
from lpnet_agent.serve.readiness import ReadinessCheck
from lpnet_agent.serve.space_files import SpaceFiles
from lpnet_agent.serve.spool import Spool, SpooledResult

ITEMS = 9
EVERY = 4
USUAL_MS = 2.0
SEAT = "5" * 32
SPEC = TargetSpec(name="box")


@dataclass
class Device:
    """Takes a second for everything. It is slow from workload `slow_from` on, until its process
    was renewed `slow_for` times."""

    slow_from: int
    slow_for: int
    schedule: VisitSchedule = field(default_factory=VisitSchedule)
    workloads: int = 0
    renewed: int = 0
    busy_s: float = 0.0
    levels: ProbeLevels = UNKNOWN
    timed_s: float = 0.0
    called: int = 0

    def measure(
        self,
        item: Item,
        space_file: Path,
        should_continue: Callable[[], bool] | None = None,
        visits: int | None = None,
    ) -> Sample:
        if should_continue is not None:
            assert should_continue()
            self.called += 1
        self.busy_s += 1
        self.workloads += item.sentinel is None
        slow = self.workloads > self.slow_from and self.renewed < self.slow_for
        return Sample(
            kind=item.kind,
            workload=item.workload,
            latency_ms=USUAL_MS * (1.1 if slow else 1.0),
            id=item.id or f"sentinel-{self.busy_s:.0f}",
            sentinel=item.sentinel,
        )

    def visit(self, item: Item, space_file: Path, *, first: bool, visits: int) -> Sample | None:
        return self.measure(item, space_file)

    def wait(self, seconds: float) -> None:
        raise AssertionError("a workload that is settled needs no second visit")

    @contextmanager
    def heartbeat(self, callback: Callable[[], object]) -> Iterator[None]:
        yield

    def renew(self) -> None:
        self.renewed += 1


class TwoVisits(Device):
    """As a real one is: nothing is known of a workload until its second visit, and in between
    come all others of the job."""

    def visit(self, item: Item, space_file: Path, *, first: bool, visits: int) -> Sample | None:
        sample = self.measure(item, space_file)
        return None if first else sample

    def wait(self, seconds: float) -> None:
        raise AssertionError("there are other workloads in between")


@dataclass
class Server:
    """Gives the same job out until it is completed, and then ends the agent."""

    space: Space
    stop: Stop
    items: int = ITEMS
    leases: int = 0
    expires_s: float = 600
    older: int = 0
    posts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def bodies(self, ending: str) -> list[dict[str, Any]]:
        return [body for path, body in self.posts if path.endswith(ending)]

    def refusal(self, path: str, body: dict[str, Any]) -> Any:
        """That of a service which does not know the cause, until it is upgraded."""
        if not (self.older and path.endswith("/condition") and body["cause"] == "sentinel"):
            return None
        self.older -= 1
        causes = TypeAdapter(Literal["owner", "room"])
        with pytest.raises(ValidationError) as caught:
            causes.validate_python(body["cause"])
        errors = [{"field": "cause", "reason": caught.value.errors()[0]["msg"]}]
        return {"status": 422, "code": "bad_request", "detail": "not valid", "errors": errors}

    def answer(self, path: str, body: dict[str, Any]) -> Any:
        self.posts.append((path, body))
        if path == "/v1/agents":
            return {"agent": "a1"}
        if path.endswith("/condition"):
            return {"cleared": 0, "epoch": 1}
        if path.endswith("/leases"):
            return self.lease()
        if path.endswith("/complete"):
            self.stop.set()
        return {"stored": len(body.get("samples", ())), "known": 0}

    def lease(self) -> Any:
        self.leases += 1
        block = self.space.block(self.space.blocks[0].name)
        workload = SpaceWorkload(
            space=self.space.hash, block=block.name, widths=block.named(block.dense)
        )
        items = (
            LeasedItem(id=f"item-{n:04d}", kind="block", workload=workload)
            for n in range(self.items)
        )
        return Lease(
            token=f"t{self.leases}",
            job="j1",
            campaign="c1",
            target="box",
            expires_s=self.expires_s,
            fresh_session=False,
            items=tuple(items),
        ).model_dump(mode="json")


@pytest.fixture
def server() -> Iterator[tuple[Server, Http]]:
    stop = Stop()
    server = Server(zoo.space("resnet20"), stop)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(server.space.to_bytes(), "application/octet-stream")

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            path = self.path.split("?")[0]
            refusal = server.refusal(path, body)
            answer = refusal or server.answer(path, body)
            self.reply(json.dumps(answer).encode(), "application/json", 422 if refusal else 200)

        def reply(self, content: bytes, kind: str, status: int = 200) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as listener:
        thread = threading.Thread(target=listener.serve_forever)
        thread.start()
        with Http(f"http://127.0.0.1:{listener.server_port}", attempts=1, timeout=10) as http:
            yield server, http
        listener.shutdown()
        thread.join()
    stop.close()


def run(
    device: Device, server: Server, http: Http, folder: Path, limits: Limits | None = None
) -> None:
    """An agent whose sentinels have their levels, until the job is complete. For its owner time
    goes by a thousand times as fast."""

    def owner_clock() -> float:
        return device.busy_s + 1000 * time.monotonic()

    store = SentinelStore(folder, SPEC)
    levels = Health(first_ms=dict.fromkeys(SENTINELS, (USUAL_MS,) * 5))
    store.save(store.load().model_copy(update={"health": levels}))
    for name in ("spool", "spaces"):
        (folder / name).mkdir()
    spool = Spool(folder / "spool")
    watch = SentinelMonitor(
        device,
        store,
        Policy(cool_s=0.01, max_cool_s=0.01, broken_after=99),
        EVERY,
        lambda samples: spool.put(SpooledResult(target="box", samples=samples)),
    )
    Agent(
        http=http,
        registration=Registration(
            device="box", facts=DeviceFacts(), targets=(SPEC,), agent_version="1"
        ),
        measurer=cast(Measurer, device),
        readiness=ReadinessCheck(
            OwnerRules(limits or Limits(), folder, monotonic=owner_clock),
            watch,
            lambda: device.busy_s,
        ),
        reporter=ConditionReporter(http, "box", 0.01 if limits else 3600, SEAT),
        spool=spool,
        spaces=SpaceFiles(folder / "spaces", http),
        stop=server.stop,
        poll_s=0,
        takeover_s=0,
    ).run()
    assert len(spool) == 0


def workloads(bodies: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [s for body in bodies for s in body["samples"] if s.get("sentinel") is None]


def test_what_was_measured_since_the_last_good_check_is_measured_again(
    server: tuple[Server, Http], tmp_path: Path
) -> None:
    scripted, http = server
    run(Device(slow_from=6, slow_for=3), scripted, http, tmp_path)
    early = workloads(scripted.bodies("/samples:batch"))
    assert len(early) == EVERY, "those before the last good check are delivered, no others"
    assert {sample["latency_ms"] for sample in early} == {USUAL_MS}
    (failed,) = scripted.bodies("/fail")
    assert failed["postponed"] is True
    assert "10.0% slower than the level of this epoch (2.00 ms, now 2.20 ms" in failed["reason"]
    (complete,) = scripted.bodies("/complete")
    assert len(workloads([complete])) == ITEMS
    assert {sample["latency_ms"] for sample in workloads([complete])} == {USUAL_MS}
    reports = scripted.bodies("/condition")
    states = [report["state"] for report in reports]
    assert (states[0], states[-1]) == ("ready", "ready")
    assert set(states[1:-1]) == {"paused"}


def test_a_drift_between_two_visits_takes_back_what_no_good_check_followed(
    server: tuple[Server, Http], tmp_path: Path
) -> None:
    """Checks come after 4, 8, 12 and 16 visits of 18; the device is slow from the 14th on."""
    scripted, http = server
    device = TwoVisits(slow_from=13, slow_for=3, schedule=VisitSchedule(gap_s=0))
    run(device, scripted, http, tmp_path)
    early = workloads(scripted.bodies("/samples:batch"))
    assert len(early) == 12 - ITEMS, "a workload that was visited once is not known yet"
    assert len(scripted.bodies("/fail")) == 1
    (complete,) = scripted.bodies("/complete")
    assert len(workloads([complete])) == ITEMS
    assert {s["latency_ms"] for s in (*early, *workloads([complete]))} == {USUAL_MS}


def test_it_is_told_since_when_measurements_are_in_doubt(
    server: tuple[Server, Http], tmp_path: Path
) -> None:
    scripted, http = server
    before = datetime.now(UTC)
    run(Device(slow_from=6, slow_for=3), scripted, http, tmp_path)
    for report in scripted.bodies("/condition"):
        assert report["seat"] == SEAT
        if report["state"] == "ready":
            assert report.get("cause") is report.get("since") is None
        else:
            assert report["cause"] == "sentinel"
            assert before < datetime.fromisoformat(report["since"]) < datetime.now(UTC)


def test_an_older_service_that_does_not_know_a_cause_is_waited_for_and_nothing_is_lost(
    server: tuple[Server, Http], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted, http = server
    scripted.older = 1
    monkeypatch.setattr(
        "lpnet_agent.serve.loop.Backoff", lambda: Backoff(first_s=0.01, max_s=0.02)
    )
    with structlog.testing.capture_logs() as lines:
        run(Device(slow_from=6, slow_for=3), scripted, http, tmp_path)
    errors = [line for line in lines if line["log_level"] == "error"]
    assert {line["event"] for line in errors} == {
        "the service is older than this agent: upgrade it"
    }
    assert "cause: Input should be 'owner' or 'room'" in errors[0]["error"]
    assert len(errors) == 1
    assert scripted.older == 0
    assert len(workloads(scripted.bodies("/samples:batch"))) == EVERY
    (complete,) = scripted.bodies("/complete")
    assert len(workloads([complete])) == ITEMS


def test_the_lease_is_held_while_the_device_is_checked(
    server: tuple[Server, Http], tmp_path: Path
) -> None:
    scripted, http = server
    scripted.expires_s = 1e-6  # so that a beat is due at every chance
    device = Device(slow_from=99, slow_for=0)
    run(device, scripted, http, tmp_path)
    assert device.called == 2 * (ITEMS // EVERY)
    assert len(scripted.bodies("/heartbeat")) >= device.called + ITEMS


@pytest.mark.parametrize("share", [0.05, 0.25])
def test_a_job_longer_than_any_burst_of_its_owners_share_ends(
    server: tuple[Server, Http], tmp_path: Path, share: float
) -> None:
    """Twelve workloads, each visited twice for a second, where 3 or 14 s are saved up at most."""
    scripted, http = server
    scripted.items = 12
    device = TwoVisits(slow_from=99, slow_for=0, schedule=VisitSchedule(gap_s=0))
    run(device, scripted, http, tmp_path, Limits(max_share=share))
    assert (scripted.leases, scripted.bodies("/fail")) == (1, [])
    assert len(workloads(scripted.bodies("/complete"))) == 12
    waited = [report for report in scripted.bodies("/condition") if report["state"] == "paused"]
    assert waited, "the share is kept between jobs"
    assert {report["cause"] for report in waited} == {"owner"}


def test_a_drift_is_found_when_the_job_is_done_too(
    server: tuple[Server, Http], tmp_path: Path
) -> None:
    """The check that is due after the last workload still takes its samples back."""
    scripted, http = server
    scripted.items = 2 * EVERY
    run(Device(slow_from=2 * EVERY - 1, slow_for=3), scripted, http, tmp_path)
    assert len(workloads(scripted.bodies("/samples:batch"))) == EVERY
    assert len(scripted.bodies("/fail")) == 1
    assert len(workloads(scripted.bodies("/complete"))) == 2 * EVERY


def test_one_slow_reading_changes_nothing(server: tuple[Server, Http], tmp_path: Path) -> None:
    scripted, http = server
    run(Device(slow_from=6, slow_for=1), scripted, http, tmp_path)
    assert scripted.leases == 1
    assert scripted.bodies("/fail") == []
    assert {report["state"] for report in scripted.bodies("/condition")} == {"ready"}


def test_every_reading_reaches_the_server(server: tuple[Server, Http], tmp_path: Path) -> None:
    scripted, http = server
    device = Device(slow_from=6, slow_for=3)
    run(device, scripted, http, tmp_path)
    reported = [s for body in scripted.bodies("/samples:batch") for s in body["samples"]]
    readings = [sample for sample in reported if sample.get("sentinel") is not None]
    assert len(readings) == device.busy_s - device.workloads
    assert all("ops" in sample["workload"] for sample in readings)
