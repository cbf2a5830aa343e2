"""A service on a database, as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.harness.processes import PATIENCE_S
from tests.harness.site import free_port

from lpnet.errors import ServerUnreachable
from lpnet.http import Http


@dataclass
class Service:
    """A service as a process of its own."""

    url: str
    process: subprocess.Popen[bytes]


@contextmanager
def serving(database: Path, **settings: str) -> Iterator[Service]:
    """`lpnet-service run` on that SQLite file, without a worker; its log lies beside it."""
    with serving_url(f"sqlite:///{database}", database.with_suffix(".log"), **settings) as service:
        yield service


@contextmanager
def serving_url(database_url: str, log: Path, **settings: str) -> Iterator[Service]:
    """`lpnet-service run` on a database of either engine, without a worker."""
    port = free_port()
    command = [sys.executable, "-m", "lpnet_service", "run", "--port", str(port), "--no-worker"]
    environment = os.environ | {"LPNET_DATABASE_URL": database_url} | settings
    with log.open("wb") as out:
        process = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    url = f"http://127.0.0.1:{port}"
    with Http(url, attempts=1, timeout=30) as http:
        end = time.monotonic() + PATIENCE_S
        while True:
            try:
                http.get("/healthz")
                break
            except ServerUnreachable:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < end, log.read_text()
                time.sleep(0.1)
    try:
        yield Service(url, process)
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
