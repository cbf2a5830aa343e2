"""Results wait on disk, in order, until a server has acted on them."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
import structlog

from lpnet.errors import ApiError, BadRequest, NotAllowed, NotFound, ServerFault, ServerUnreachable
from lpnet.http import Http
from lpnet.schemas.campaign import ItemFailure
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload
from lpnet_agent.errors import WriteFailed
from lpnet_agent.serve.spool import Spool, SpooledResult

TARGET = "box-ort1.31-cpu-fp32-t1"


class Server:
    """The part of a server that takes results: it stores samples once, and knows its leases."""

    def __init__(self, *leases: str) -> None:
        self.leases = set(leases)
        self.stored: list[str] = []
        self.calls: list[str] = []
        self.failed: list[str] = []
        self.down: Callable[[], httpx.Response] | None = None
        self.targets = {TARGET}
        self.refuses: set[str] = set()
        self.older = False

    def http(self) -> Http:
        return Http("http://lpnet.test", transport=httpx.MockTransport(self), attempts=1)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if self.down is not None:
            return self.down()
        self.calls.append(request.url.path)
        body = json.loads(request.content)
        samples = body.get("samples", [])
        if self.older and any("out_of_memory" in one for one in body.get("failures", [])):
            return _problem(422, "bad_request", _unknown("failures.0.out_of_memory"))
        if self.refuses & {sample["id"] for sample in samples}:
            return _problem(422, "bad_request")
        if request.url.path == "/v1/samples:batch":
            if body["target"] not in self.targets:
                return _problem(404, "not_found")
            return self._store(samples)
        _, _, _, token, verb = request.url.path.split("/")
        if token not in self.leases:
            return _problem(409, "lease_lost")
        self.leases.remove(token)
        if verb == "fail":
            self.failed.append(body["reason"])
            return httpx.Response(204)
        return self._store(samples)

    def _store(self, samples: list[dict[str, str]]) -> httpx.Response:
        new = [sample["id"] for sample in samples if sample["id"] not in self.stored]
        self.stored += new
        return httpx.Response(200, json={"stored": len(new), "known": len(samples) - len(new)})


def _problem(status: int, code: str, *errors: dict[str, str]) -> httpx.Response:
    document = {"status": status, "code": code, "detail": "no", "errors": errors}
    return httpx.Response(status, json=document)


def _unknown(place: str) -> dict[str, str]:
    return {"field": place, "reason": "Extra inputs are not permitted"}


def refused() -> httpx.Response:
    raise httpx.ConnectError("refused")


def spooled(token: str, *ids: str, given_up: str | None = None) -> SpooledResult:
    workload = SpaceWorkload(space="0" * 64, widths={"conv": 4})
    return SpooledResult(
        token=token,
        target=TARGET,
        samples=tuple(Sample(workload=workload, latency_ms=1.5, id=id_) for id_ in ids),
        failures=(ItemFailure(item="item-of-" + token, reason="too big"),),
        given_up=given_up,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def test_what_is_delivered_leaves_the_folder(folder: Path) -> None:
    spool, server = Spool(folder), Server("a", "b")
    spool.put(spooled("a", "sample-0001"))
    spool.put(spooled("b", "sample-0002", "sample-0003"))
    assert len(spool) == 2
    assert spool.deliver(server.http()) == 2
    assert server.stored == ["sample-0001", "sample-0002", "sample-0003"]
    assert server.calls == ["/v1/leases/a/complete", "/v1/leases/b/complete"]
    assert len(spool) == 0
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize(
    ("down", "error"),
    [
        (refused, ServerUnreachable),
        (lambda: httpx.Response(503), ServerFault),
        (lambda: httpx.Response(401), NotAllowed),
        (lambda: httpx.Response(200, text="<html>sign in</html>"), ApiError),
    ],
)
def test_what_cannot_be_delivered_survives_restarts_and_goes_once_in_order(
    folder: Path, down: Callable[[], httpx.Response], error: type[Exception]
) -> None:
    server = Server("a", "b", "c")
    server.down = down
    spool = Spool(folder)
    spool.put(spooled("a", "sample-0001"))
    spool.put(spooled("b", "sample-0002"))
    with pytest.raises(error):
        spool.deliver(server.http())
    restarted = Spool(folder)
    assert len(restarted) == 2
    restarted.put(spooled("c", "sample-0003"))
    server.down = None
    assert Spool(folder).deliver(server.http()) == 3
    assert server.stored == ["sample-0001", "sample-0002", "sample-0003"]
    assert Spool(folder).deliver(server.http()) == 0


def test_a_delivery_whose_answer_was_lost_is_stored_once(folder: Path) -> None:
    spool, server = Spool(folder), Server("a")
    spool.put(spooled("a", "sample-0001"))

    def answer_lost(request: httpx.Request) -> httpx.Response:
        server(request)
        raise httpx.ReadError("cut")

    with pytest.raises(ServerUnreachable):
        spool.deliver(Http("http://lpnet.test", transport=httpx.MockTransport(answer_lost)))
    assert spool.deliver(server.http()) == 1
    assert server.stored == ["sample-0001"]


def test_samples_of_a_lost_lease_go_on_their_own(folder: Path) -> None:
    spool, server = Spool(folder), Server()
    spool.put(spooled("gone", "sample-0001"))
    assert spool.deliver(server.http()) == 1
    assert server.calls == ["/v1/leases/gone/complete", "/v1/samples:batch"]
    assert server.stored == ["sample-0001"]


def test_a_lost_lease_without_samples_has_nothing_to_say(folder: Path) -> None:
    spool, server = Spool(folder), Server()
    spool.put(spooled("gone"))
    assert spool.deliver(server.http()) == 1
    assert server.calls == ["/v1/leases/gone/complete"]


def test_a_job_that_was_given_up_keeps_its_samples_and_goes_back(folder: Path) -> None:
    spool, server = Spool(folder), Server("a")
    spool.put(spooled("a", "sample-0001", given_up="the agent was asked to end"))
    assert spool.deliver(server.http()) == 1
    assert server.calls == ["/v1/samples:batch", "/v1/leases/a/fail"]
    assert server.stored == ["sample-0001"]
    assert server.failed == ["the agent was asked to end"]


def test_a_corrupt_result_is_set_aside_and_the_others_go(folder: Path) -> None:
    spool, server = Spool(folder), Server("a", "b")
    spool.put(spooled("a", "sample-0001"))
    spool.put(spooled("b", "sample-0002"))
    first = folder / "000000000001.json"
    half = first.read_bytes()[:40]
    first.write_bytes(half)
    assert spool.deliver(server.http()) == 1
    assert server.stored == ["sample-0002"]
    assert (folder / "set-aside" / first.name).read_bytes() == half
    assert "cannot be read" in (folder / "set-aside" / "000000000001.reason.txt").read_text()


def test_a_result_that_the_server_refuses_is_set_aside_and_not_lost(folder: Path) -> None:
    spool, server = Spool(folder), Server("a", "b")
    server.refuses = {"sample-0001"}
    spool.put(spooled("a", "sample-0001"))
    spool.put(spooled("b", "sample-0002"))
    assert spool.deliver(server.http()) == 1
    kept = SpooledResult.model_validate_json(
        (folder / "set-aside" / "000000000001.json").read_bytes()
    )
    assert [sample.id for sample in kept.samples] == ["sample-0001"]
    assert "422" in (folder / "set-aside" / "000000000001.reason.txt").read_text()


@pytest.mark.parametrize("where", ["on disk", "in memory"])
def test_what_an_older_server_does_not_know_waits_for_its_upgrade(
    folder: Path, where: str, request: pytest.FixtureRequest
) -> None:
    if where == "in memory":
        request.getfixturevalue("full")
    spool, server = Spool(folder), Server("a")
    server.older = True
    failure = ItemFailure(item="item-0001", reason="too large", out_of_memory=True)
    spool.put(SpooledResult(token="a", target=TARGET, failures=(failure,)))
    for _ in range(2):
        with pytest.raises(BadRequest):
            spool.deliver(server.http())
        assert len(spool) == 1
    server.older = False
    assert spool.deliver(server.http()) == 1
    assert (len(spool), server.leases) == (0, set())


def test_a_restart_puts_nothing_over_what_was_set_aside(folder: Path) -> None:
    server = Server("a", "b", "c")
    server.refuses = {"sample-0001", "sample-0002"}
    for token, id_ in (("a", "sample-0001"), ("b", "sample-0002"), ("c", "sample-0003")):
        restarted = Spool(folder)
        restarted.put(spooled(token, id_))
        restarted.deliver(server.http())
    files = sorted((folder / "set-aside").glob("*.json"))
    kept = [SpooledResult.model_validate_json(file.read_bytes()) for file in files]
    assert [sample.id for one in kept for sample in one.samples] == ["sample-0001", "sample-0002"]
    assert server.stored == ["sample-0003"]


def test_an_unknown_target_is_for_the_agent_to_register(folder: Path) -> None:
    spool, server = Spool(folder), Server()
    spool.put(spooled("a", "sample-0001"))
    server.targets = set()
    with pytest.raises(NotFound):
        spool.deliver(server.http())
    assert len(spool) == 1
    spool.refuse_oldest("the server does not want it")
    assert len(spool) == 0
    assert (folder / "set-aside" / "000000000001.json").exists()


def test_a_write_that_was_cut_short_is_no_spooled(folder: Path) -> None:
    (folder / ".000000000007.json.part").write_bytes(b'{"token": "a"')
    spool = Spool(folder)
    assert len(spool) == 0
    assert spool.deliver(Server().http()) == 0


@pytest.fixture
def full(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A disk on which no file becomes durable, until the patch is undone."""

    def no_room(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", no_room)
    return monkeypatch


def test_a_result_without_room_stays_in_memory_and_is_written_later(
    folder: Path, full: pytest.MonkeyPatch
) -> None:
    spool, server = Spool(folder), Server("a", "b")
    server.down = refused
    spool.put(spooled("a", "sample-0001"))
    spool.put(spooled("b", "sample-0002"))
    assert len(spool) == 2
    assert list(folder.iterdir()) == []
    with pytest.raises(WriteFailed, match=r"No space left on device.*--state-dir"):
        spool.check_free_space()
    with pytest.raises(ServerUnreachable):
        spool.deliver(server.http())
    full.undo()
    spool.check_free_space()
    assert len(Spool(folder)) == len(spool) == 2
    server.down = None
    assert Spool(folder).deliver(server.http()) == 2
    assert server.stored == ["sample-0001", "sample-0002"]


def test_a_result_without_room_is_delivered_from_memory(
    folder: Path, full: pytest.MonkeyPatch
) -> None:
    spool, server = Spool(folder), Server("a", "b")
    spool.put(spooled("a", "sample-0001"))
    spool.put(spooled("b", "sample-0002"))
    assert spool.deliver(server.http()) == 2
    assert server.stored == ["sample-0001", "sample-0002"]
    assert len(spool) == 0


def test_a_refused_result_without_room_holds_nothing_up(
    folder: Path, full: pytest.MonkeyPatch
) -> None:
    spool, server = Spool(folder), Server("a", "b")
    server.refuses = {"sample-0001"}
    spool.put(spooled("a", "sample-0001"))
    spool.put(spooled("b", "sample-0002"))
    assert spool.deliver(server.http()) == 1
    assert server.stored == ["sample-0002"]
    assert len(spool) == 0


def test_a_result_that_cannot_be_opened_is_set_aside(folder: Path) -> None:
    spool, server = Spool(folder), Server("a")
    (folder / "000000000000.json").mkdir()
    spool.put(spooled("a", "sample-0001"))
    assert spool.deliver(server.http()) == 1
    assert (folder / "set-aside" / "000000000000.json").is_dir()
    assert len(spool) == 0


def test_a_delivery_is_found_again_in_the_servers_log(tmp_path: Path) -> None:
    token = "lease-0123456789abcdef01234567"
    sent: list[str] = []
    server = Server(token)

    def handle(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers["X-Request-Id"])
        return server(request)

    http = Http("http://lpnet.test", transport=httpx.MockTransport(handle), attempts=1)
    spool = Spool(tmp_path)
    spool.put(SpooledResult(token=token, target=TARGET, samples=()))
    spool.put(SpooledResult(token=token, target=TARGET, samples=()))
    with structlog.testing.capture_logs() as lines:
        spool.deliver(http)
    delivered, gone = lines[0], lines[1]
    assert delivered["event"] == "job delivered"
    assert [delivered["request_id"]] == sent[:1]
    assert delivered["lease"] == gone["lease"] == "lease-012345"
