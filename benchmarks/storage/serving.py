"""Runs a service on a filled database, and measures the memory of its processes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from lpnet.errors import LpnetError
from lpnet.http import Http

_START_S = 60.0


@contextmanager
def serving(url: str, folder: Path, *arguments: str) -> Iterator[tuple[Http, psutil.Process]]:
    """Run a service on this database, with its log in `folder`."""
    port = free_port()
    command = [sys.executable, "-m", "lpnet_service", "run", "--port", str(port), *arguments]
    environment = {**os.environ, "LPNET_DATABASE_URL": url}
    log = folder / "service.log"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        with Http(f"http://127.0.0.1:{port}", attempts=1) as http:
            _wait(http, log)
            yield http, psutil.Process(process.pid)
    finally:
        process.terminate()
        process.wait()


def _wait(http: Http, log: Path) -> None:
    deadline = time.monotonic() + _START_S
    while time.monotonic() < deadline:
        try:
            http.get("/readyz")
            return
        except LpnetError:
            time.sleep(0.1)
    raise SystemExit(f"the service does not start:\n{log.read_text()[-2000:]}")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def memory_mb(process: psutil.Process) -> float:
    """Proportional set size of a process and its children, MB; shared memory counts once."""
    tree = [process, *process.children(recursive=True)]
    return float(sum(member.memory_full_info().pss for member in tree)) / 1e6
