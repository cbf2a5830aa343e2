"""Memory and time of a training worker, and the size of the LPNet that it makes.

    python -m benchmarks.storage.worker [--samples 500]

One target is filled by `benchmarks.storage.filling` and trained on by a service with one worker.
The peer is the worker at rest.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.storage.filling import fill
from benchmarks.storage.serving import memory_mb, serving
from lpnet.http import Http
from lpnet_service.db.migrate import migrate
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

_LOOK_S = 0.2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--samples", type=int, default=500)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = f"sqlite:///{folder / 'lpnet.db'}"
        ctx = context(Settings(database_url=url))
        migrate(ctx.db)
        fill(ctx, samples=options.samples, targets=1)
        ctx.db.close()
        with serving(url, folder) as (http, process):
            worker = the_worker(process)
            at_rest = settled_mb(worker)
            most, seconds, lpnet = train(http, worker)
            size = len(http.get_bytes(f"/v1/lpnets/{lpnet}/weights").content)
    print(f"{options.samples:,} samples: trained in {seconds:.0f} s")
    print(f"  worker at rest  {at_rest:>7.0f} MB")
    print(f"  worker, most    {most:>7.0f} MB  {most / at_rest:.2f} times")
    print(f"  LPNet           {size / 1e6:>7.2f} MB")


def the_worker(process: psutil.Process) -> psutil.Process:
    while True:
        for child in process.children(recursive=True):
            if "worker" in child.cmdline():
                return child
        time.sleep(_LOOK_S)


def settled_mb(worker: psutil.Process) -> float:
    """Once it has stopped growing: it loads torch as it starts."""
    before, now = 0.0, memory_mb(worker)
    while now > before + 1:
        time.sleep(10 * _LOOK_S)
        before, now = now, memory_mb(worker)
    return now


def train(http: Http, worker: psutil.Process) -> tuple[float, float, str]:
    """Most memory in MB, seconds, and the id of the LPNet."""
    target = http.get("/v1/targets")["items"][0]["name"]
    began, most = time.perf_counter(), 0.0
    run = http.post(f"/v1/targets/{target}/lpnets", {})
    while run["state"] in ("queued", "running"):
        most = max(most, memory_mb(worker))
        time.sleep(_LOOK_S)
        run = http.get(f"/v1/trainings/{run['id']}")
    if run["state"] != "done":
        raise SystemExit(f"the training {run['state']}: {run['error']}")
    return most, time.perf_counter() - began, str(run["lpnet"])


if __name__ == "__main__":
    main()
