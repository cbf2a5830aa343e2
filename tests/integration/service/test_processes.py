"""The service as real processes: the API, and the worker that it keeps beside it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest

from lpnet.errors import Unreachable
from lpnet.http import Http

PATIENCE_S = 60.0


class Service:
    """`lpnet_service run` on a fresh database and a free port."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self.log = folder / "service.log"
        command = [sys.executable, "-m", "lpnet_service", "run", "--port", str(port), *arguments]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                command,
                env={**os.environ, "LPNET_DATABASE_URL": f"sqlite:///{folder / 'lpnet.db'}"},
                stderr=log,
                stdout=log,
            )
        self.http = Http(self.url, attempts=1)
        until(self.answers, self.log)

    def answers(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        try:
            return bool(self.http.get("/readyz")["status"] == "ok")
        except Unreachable:
            return False

    def worker(self) -> psutil.Process:
        """The worker process."""
        alive = [
            child
            for child in psutil.Process(self.process.pid).children()
            if child.status() != psutil.STATUS_ZOMBIE and "worker" in child.cmdline()
        ]
        (found,) = alive
        return found

    def started_workers(self) -> int:
        return self.log.read_text().count("worker started")

    def end(self) -> None:
        self.http.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


def until(holds: Callable[[], bool], log: Path) -> None:
    """Wait for what another process does; how long that takes is not judged."""
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    running = Service(tmp_path)
    yield running
    running.end()


def test_a_worker_that_dies_is_replaced_and_sigterm_ends_both(service: Service) -> None:
    until(lambda: service.started_workers() == 1, service.log)
    first = service.worker()
    first.kill()
    until(lambda: service.started_workers() == 2, service.log)
    second = service.worker()
    assert second.pid != first.pid
    service.process.send_signal(signal.SIGTERM)
    assert service.process.wait(10) == 0, service.log.read_text()
    assert not second.is_running()


def test_a_worker_does_not_outlive_a_service_that_was_killed(service: Service) -> None:
    until(lambda: service.started_workers() == 1, service.log)
    worker = service.worker()
    service.process.kill()
    worker.wait(PATIENCE_S)


def test_a_held_poll_does_not_hold_up_the_end(tmp_path: Path) -> None:
    service = Service(tmp_path, "--no-worker")
    try:
        said = {"device": "d", "facts": {}, "targets": [{"name": "t"}], "agent_version": "1"}
        agent = service.http.post("/v1/agents", said)["agent"]
        poll = {"targets": ["t"], "wait_s": 60}
        with ThreadPoolExecutor(1) as pool:
            held = pool.submit(service.http.post, f"/v1/agents/{agent}/leases", poll)
            until(lambda: service.answers() and not held.done(), service.log)
            service.process.send_signal(signal.SIGTERM)
            assert service.process.wait(10) == 0
            assert held.result(10) is None
    finally:
        service.end()
