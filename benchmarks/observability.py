"""Requests per second with request ids, metrics and JSON logs, compared with none of them.

    python -m benchmarks.observability [--rounds 7] [--requests 1500]

Two servers of the same application run at once and are measured in turn; the ratio is that of each
round.
"""

from __future__ import annotations

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from lpnet.errors import ServerUnreachable
from lpnet.http import Http
from lpnet_service.api.app import Application
from lpnet_service.db.migrate import migrate
from lpnet_service.observe.logs import log_to_stderr
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

PATHS = {"light request": "/healthz", "request that reads the database": "/v1/targets"}
START_S = 60.0


class Bare(Application):
    """The same application without observability."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await FastAPI.__call__(self, scope, receive, send)


def serve(kind: str, folder: str) -> None:
    import uvicorn

    log_to_stderr()
    ctx = context(Settings(database_url=f"sqlite:///{folder}/lpnet.db"))
    app = Bare(ctx) if kind == "bare" else Application(ctx)
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        Path(folder, f"{kind}.port").write_text(str(bound.getsockname()[1]))
        config = uvicorn.Config(app, log_config=None, log_level="warning", access_log=False)
        uvicorn.Server(config).run([bound])


def start_server(kind: str, folder: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "benchmarks.observability", "--serve", kind, folder]
    environment = os.environ | {"LPNET_LOG_FORMAT": "json", "LPNET_LOG_LEVEL": "info"}
    if kind == "observed":
        # As in API processes of `lpnet-service run`.
        metrics = Path(folder, "metrics")
        metrics.mkdir()
        environment |= {"PROMETHEUS_MULTIPROC_DIR": str(metrics)}
    with Path(folder, f"{kind}.log").open("wb") as log:
        return subprocess.Popen(command, env=environment, stderr=log)


def connect(kind: str, folder: str) -> Http:
    """A connection to a server, as soon as it answers."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        try:
            http = Http(f"http://127.0.0.1:{Path(folder, f'{kind}.port').read_text()}", attempts=1)
            http.get("/healthz")
            return http
        except (ServerUnreachable, FileNotFoundError):
            time.sleep(0.1)
    raise SystemExit(
        f"the {kind} server does not answer:\n{Path(folder, f'{kind}.log').read_text()}"
    )


def rate(http: Http, path: str, requests: int) -> float:
    started = time.perf_counter()
    for _ in range(requests):
        http.get(path)
    return requests / (time.perf_counter() - started)


def compare(bare: Http, observed: Http, rounds: int, requests: int) -> None:
    print(f"requests per second over one connection, median of {rounds} rounds of {requests}")
    for label, path in PATHS.items():
        without: list[float] = []
        with_: list[float] = []
        for number in range(rounds):
            pair = [(without, bare), (with_, observed)]
            # Each goes first equally often: the machine may warm up within a round.
            for rates, http in pair if number % 2 else reversed(pair):
                rates.append(rate(http, path, requests))
        ratio = statistics.median(b / a for a, b in zip(without, with_, strict=True))
        print(f"  {label} ({path})")
        print(f"    without       {statistics.median(without):8,.0f} /s")
        print(f"    observed      {statistics.median(with_):8,.0f} /s")
        print(f"    ratio         {ratio:8.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--requests", type=int, default=1500)
    parser.add_argument("--serve", nargs=2, metavar=("KIND", "FOLDER"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.serve:
        serve(*options.serve)
        return
    with tempfile.TemporaryDirectory() as folder:
        ctx = context(Settings(database_url=f"sqlite:///{folder}/lpnet.db"))
        migrate(ctx.db)
        ctx.db.close()
        servers = [start_server(kind, folder) for kind in ("bare", "observed")]
        try:
            with connect("bare", folder) as bare, connect("observed", folder) as observed:
                compare(bare, observed, options.rounds, options.requests)
        finally:
            for server in servers:
                server.terminate()
                server.wait()


if __name__ == "__main__":
    main()
