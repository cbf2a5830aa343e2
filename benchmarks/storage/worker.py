"""Memory and time of a training, and the size of its LPNet.

    python -m benchmarks.storage.worker [--samples 500]

`benchmarks.storage.filling` fills one target, and a service with one worker trains on it. The
memory is compared with that of the idle worker.
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

_POLL_S = 0.2


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
            worker = find_worker(process)
            idle_mb = settled_mb(worker)
            max_mb, seconds, lpnet = train(http, worker)
            weights = http.get_bytes(f"/v1/lpnets/{lpnet}/weights")
            assert weights is not None
            size = len(weights.content)
    print(f"{options.samples:,} samples: trained in {seconds:.0f} s")
    print(f"  worker when idle {idle_mb:>6.0f} MB")
    print(f"  worker, maximum  {max_mb:>6.0f} MB  {max_mb / idle_mb:.2f} times")
    print(f"  LPNet            {size / 1e6:>6.2f} MB")


def find_worker(process: psutil.Process) -> psutil.Process:
    while True:
        for child in process.children(recursive=True):
            if "worker" in child.cmdline():
                return child
        time.sleep(_POLL_S)


def settled_mb(worker: psutil.Process) -> float:
    """Memory after it has stopped growing: the worker loads torch as it starts."""
    before, now = 0.0, memory_mb(worker)
    while now > before + 1:
        time.sleep(10 * _POLL_S)
        before, now = now, memory_mb(worker)
    return now


def train(http: Http, worker: psutil.Process) -> tuple[float, float, str]:
    """Maximum memory in MB, seconds, and the id of the LPNet."""
    target = http.get("/v1/targets")["items"][0]["name"]
    started, max_mb = time.perf_counter(), 0.0
    run = http.post(f"/v1/targets/{target}/lpnets", {})
    while run["state"] in ("queued", "running"):
        max_mb = max(max_mb, memory_mb(worker))
        time.sleep(_POLL_S)
        run = http.get(f"/v1/trainings/{run['id']}")
    if run["state"] != "done":
        raise SystemExit(f"the training {run['state']}: {run['error']}")
    return max_mb, time.perf_counter() - started, str(run["lpnet"])


if __name__ == "__main__":
    main()
