"""The service as real processes: a parent, several API processes and workers under it."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.harness.processes import PATIENCE_S

from lpnet.errors import NotAllowed, ServerUnreachable
from lpnet.http import Http
from lpnet.schemas.campaign import NewCampaign
from lpnet.space.space import Space

_NOTHING: Mapping[str, str] = {}


class Service:
    """`lpnet_service run` on a fresh database and a free port."""

    def __init__(
        self, folder: Path, url: str, *arguments: str, environment: Mapping[str, str] = _NOTHING
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = folder / "service.log"
        command = [sys.executable, "-m", "lpnet_service", "run", "--port", str(self.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *arguments],
                env={**os.environ, "LPNET_DATABASE_URL": url, **environment},
                stderr=log,
                stdout=log,
            )

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            with Http(self.url, attempts=1) as http:
                return bool(http.get("/readyz")["status"] == "ok")
        except ServerUnreachable:
            return False

    def children(self, role: str) -> list[psutil.Process]:
        """Its processes of a role that are alive: `api` or `worker`."""
        return [
            child
            for child in psutil.Process(self.process.pid).children()
            if child.status() != psutil.STATUS_ZOMBIE and role in child.cmdline()
        ]

    def connected(self) -> list[psutil.Process]:
        """The API processes that somebody is connected to."""
        return [
            child
            for child in self.children("api")
            if any(c.status == psutil.CONN_ESTABLISHED for c in self._of_port(child))
        ]

    def _of_port(self, process: psutil.Process) -> list[Any]:
        connections = process.net_connections("tcp")
        return [c for c in connections if c.laddr and c.laddr.port == self.port]

    def listening(self) -> bool:
        """Whether all API processes that there should be accept connections."""
        return all(self._of_port(child) for child in self.children("api"))

    def started_workers(self) -> int:
        return self.log.read_text().count("worker started")

    def until(self, holds: Callable[[], bool]) -> None:
        """Wait for what another process does; how long that takes is not judged."""
        deadline = time.monotonic() + PATIENCE_S
        while not holds():
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def register(self) -> str:
        registration = {
            "device": "d",
            "facts": {},
            "targets": [{"name": "t"}],
            "agent_version": "1",
        }
        with Http(self.url, attempts=1) as http:
            agent: str = http.post("/v1/agents", registration)["agent"]
        return agent

    def scrape(self) -> dict[str, float]:
        """What /metrics says, on a connection of its own; labels as they are written."""
        with Http(self.url, attempts=1) as http:
            response = http.get_bytes("/metrics")
        assert response is not None
        lines = response.content.decode().splitlines()
        pairs = [line.rpartition(" ") for line in lines if not line.startswith("#")]
        return {name: float(value) for name, _, value in pairs}

    def poll(self, agent: str) -> Any:
        """Ask for a job, and wait for one; on a connection of its own."""
        with Http(self.url, attempts=1) as http:
            return http.post(f"/v1/agents/{agent}/leases", {"targets": ["t"], "wait_s": 60})


@contextmanager
def running(
    folder: Path, url: str, *arguments: str, environment: Mapping[str, str] = _NOTHING
) -> Iterator[Service]:
    service = Service(folder, url, *arguments, environment=environment)
    try:
        service.until(service.answers)
        yield service
    finally:
        # What it started ends with it.
        service.process.kill()
        service.process.wait()


def test_a_poll_that_one_process_holds_gets_what_another_was_asked_for(
    tmp_path: Path, url: str, space: Space
) -> None:
    with running(tmp_path, url, "--api-processes", "2", "--no-worker") as service:
        service.until(lambda: len(service.children("api")) == 2 and service.listening())
        agent = service.register()
        with Http(service.url, attempts=1) as http:
            http.post_bytes("/v1/spaces", space.to_bytes())
        service.until(lambda: not service.connected())
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(service.poll, agent)
            service.until(lambda: bool(service.connected()))
            (holder,) = service.connected()
            holder.suspend()
            try:
                new = NewCampaign(target="t", space=space.hash, blocks=1, networks=0, pruned=0)
                with Http(service.url, attempts=1) as other:
                    campaign = other.post("/v1/campaigns", new)
            finally:
                holder.resume()
            assert held.result(PATIENCE_S)["campaign"] == campaign["id"]


def test_what_dies_is_replaced_and_sigterm_ends_all(tmp_path: Path, sqlite_url: str) -> None:
    many = ("--api-processes", "2", "--workers", "2")
    with running(tmp_path, sqlite_url, *many) as service:
        service.until(lambda: service.started_workers() == 2)
        (api, _), (worker, _) = service.children("api"), service.children("worker")
        api.kill()
        worker.kill()
        service.until(lambda: service.started_workers() == 3)
        service.until(lambda: len(service.children("api")) == 2 and service.listening())
        assert len(service.children("worker")) == 2
        assert service.answers()
        children = service.children("api") + service.children("worker")
        assert not {api.pid, worker.pid} & {child.pid for child in children}
        agent = service.register()
        with ThreadPoolExecutor(1) as pool:
            service.until(lambda: not service.connected())
            held = pool.submit(service.poll, agent)
            # Not in the queue of the socket any more; and whoever took it goes on for a moment.
            service.until(lambda: bool(service.connected()))
            service.until(lambda: all(service.answers() for _ in range(20)) and not held.done())
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(10) == 0, service.log.read_text()
            # A held poll does not hold up the end, and is answered.
            assert held.result(10) is None
        assert not any(child.is_running() for child in children)


def test_a_scrape_of_any_process_answers_for_all(tmp_path: Path, url: str) -> None:
    """And every process logs its requests as JSON lines, without secrets."""
    count = 'lpnet_http_requests_total{method="GET",route="/v1/targets",status="200"}'
    held = "lpnet_lease_polls_in_progress"
    many = ("--api-processes", "2", "--no-worker")
    with running(tmp_path, url, *many, environment={"LPNET_LOG_FORMAT": "json"}) as service:
        service.until(lambda: len(service.children("api")) == 2 and service.listening())
        first, second = service.children("api")
        ids = []
        for awake, asleep in ((first, second), (second, first)):
            asleep.suspend()
            for _ in range(3):
                with Http(service.url, token="s3cret-token", attempts=1) as http:
                    http.get("/v1/targets")
                    ids.append(http.request_id)
            assert service.scrape()[count] == len(ids), awake
            asleep.resume()
        agent = service.register()
        service.until(lambda: not service.connected())
        with ThreadPoolExecutor(1) as pool:
            poll = pool.submit(service.poll, agent)
            service.until(lambda: service.scrape()[held] == 1)
            service.until(lambda: len(service.connected()) == 1)
            service.connected()[0].kill()
            with pytest.raises(ServerUnreachable):
                poll.result(PATIENCE_S)
        service.until(lambda: len(service.children("api")) == 2 and service.listening())
        for _ in range(4):
            metrics = service.scrape()
            assert (metrics[count], metrics[held]) == (6, 0)
        service.process.send_signal(signal.SIGTERM)
        assert service.process.wait(10) == 0
    lines = [json.loads(line) for line in service.log.read_text().splitlines()]
    logged = [line["request_id"] for line in lines if line.get("route") == "/v1/targets"]
    assert logged == ids
    assert "s3cret" not in service.log.read_text()


def test_nothing_outlives_a_service_that_was_killed(tmp_path: Path, sqlite_url: str) -> None:
    with running(tmp_path, sqlite_url, "--api-processes", "2") as service:
        service.until(lambda: service.started_workers() == 1)
        children = service.children("api") + service.children("worker")
        assert len(children) == 3
        service.process.kill()
        service.process.wait()
        for child in children:
            child.wait(PATIENCE_S)


def test_a_port_that_is_taken_is_said(tmp_path: Path, sqlite_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "lpnet_service", "run", "--port", port],
            env={**os.environ, "LPNET_DATABASE_URL": sqlite_url},
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"error: --port {port}: another process listens on it"


@pytest.mark.parametrize(
    ("arguments", "environment", "message"),
    [
        (["--no-worker", "--workers", "2"], {}, "--no-worker contradicts --workers 2"),
        ([], {"LPNET_API_PROCESSES": "0"}, "LPNET_API_PROCESSES"),
        ([], {"LPNET_WORKERS": "many"}, "LPNET_WORKERS"),
    ],
)
def test_numbers_that_cannot_be_are_named(
    arguments: list[str], environment: dict[str, str], message: str, sqlite_url: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "lpnet_service", "run", *arguments],
        env={**os.environ, "LPNET_DATABASE_URL": sqlite_url, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_every_process_of_a_service_that_others_reach_asks_for_a_token(
    tmp_path: Path, sqlite_url: str
) -> None:
    def token(*options: str) -> str:
        command = [sys.executable, "-m", "lpnet_service", "token", *options]
        environment = {**os.environ, "LPNET_DATABASE_URL": sqlite_url}
        return subprocess.run(
            command, env=environment, check=True, capture_output=True, text=True
        ).stdout.strip()

    def ask(secret: str | None) -> set[str]:
        """What new connections are answered, of which every process gets some."""
        answers = set()
        with ExitStack() as stack:
            for _ in range(8):
                http = stack.enter_context(Http(service.url, secret, attempts=1))
                try:
                    answers.add(str(len(http.get("/v1/targets")["items"])))
                except NotAllowed as error:
                    answers.add(error.code)
        return answers

    secret = token("create", "--name", "me", "--scope", "predict")
    everywhere = ("--host", "0.0.0.0", "--api-processes", "2", "--no-worker")
    with running(tmp_path, sqlite_url, *everywhere) as service:
        service.until(lambda: len(service.children("api")) == 2 and service.listening())
        assert "tokens required" in service.log.read_text()
        assert secret not in service.log.read_text()
        assert ask(None) == {"unauthenticated"}
        assert ask(secret) == {"0"}
        token("revoke", "me")
        assert ask(secret) == {"unauthenticated"}
