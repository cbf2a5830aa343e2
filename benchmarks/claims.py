"""Jobs claimed and completed per second by agents, with 1, 2 and 4 API processes, on SQLite and on
Postgres: `python -m benchmarks.claims [--seconds N] [--agents N]`.

Every figure is a ratio to one API process on SQLite, taken in the same run: what a second process
brings depends on how many cores are left for it beside the database and whoever asks.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import statistics
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.harness import postgres

from lpnet import zoo
from lpnet.http import Http
from lpnet_demo.processes import LocalLoop

PROCESSES = (1, 2, 4)
ROUNDS = 2
# More than any agent gets done.
BLOCKS = 3_000
# Forked from a process that has imported all this already, so that they begin at once.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["lpnet_demo.processes", "lpnet.zoo", "tests.harness.postgres"])


def registered(http: Http, name: str) -> str:
    """A device with one target, both named so; the agent's id."""
    target = {"name": name, "runtime": "onnxruntime", "threads": 1}
    said = {"device": name, "facts": {}, "targets": [target], "agent_version": "1"}
    agent: str = http.post("/v1/agents", said)["agent"]
    return agent


def work(url: str, name: str, agent: str, start: Any, seconds: float, done: Any) -> None:
    """Be an agent whose measurements take no time, for so long; counts the jobs it completed."""
    with Http(url) as http:
        start.wait()
        end = time.monotonic() + seconds
        count = 0
        while time.monotonic() < end:
            lease = http.post(f"/v1/agents/{agent}/leases", {"targets": [name], "wait_s": 0})
            if lease is None:
                break
            kept = ("id", "kind", "workload", "draw")
            samples = [
                {key: item[key] for key in kept} | {"latency_ms": 1.0} for item in lease["items"]
            ]
            http.post(f"/v1/leases/{lease['token']}/complete", {"samples": samples})
            count += 1
        with done.get_lock():
            done.value += count


def jobs_per_s(url: str, agents: int, seconds: float, round_: int) -> float:
    """Jobs completed per second by so many agents at once, each a process and a device."""
    start, done = _PROCESSES.Barrier(agents + 1), _PROCESSES.Value("i", 0)
    space = zoo.space("resnet20")
    names = [f"device-{round_}-{number}" for number in range(agents)]
    with Http(url) as http:
        http.post_bytes("/v1/spaces", space.to_bytes())
        ids = {name: registered(http, name) for name in names}
        for name in names:
            asked = {"target": name, "space": space.hash, "blocks": BLOCKS, "networks": 0}
            http.post("/v1/campaigns", asked | {"pruned": 0, "repeats": 0})
    working = [
        _PROCESSES.Process(target=work, args=(url, *one, start, seconds, done))
        for one in ids.items()
    ]
    for process in working:
        process.start()
    start.wait(120)
    began = time.monotonic()
    for process in working:
        process.join()
    return float(done.value / (time.monotonic() - began))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--agents", type=int, default=8)
    options = parser.parse_args()
    found: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as held:
        folder = Path(held.enter_context(tempfile.TemporaryDirectory()))
        server = held.enter_context(postgres.server())
        for round_ in range(ROUNDS):
            for engine in ("sqlite", "postgres"):
                for count in PROCESSES:
                    name = f"{engine}_{count}_{round_}"
                    url = f"sqlite:///{folder / name}.db"
                    if engine == "postgres":
                        postgres.create(server, name)
                        url = postgres.named(server, name)
                    service = LocalLoop(
                        folder / name,
                        agent=False,
                        database_url=url,
                        api_processes=count,
                        workers=0,
                    )
                    with service:
                        rate = jobs_per_s(service.url, options.agents, options.seconds, round_)
                    found.setdefault((engine, count), []).append(rate)
    base = found["sqlite", 1]
    print(f"{options.agents} agents, {os.cpu_count()} cores, median of {ROUNDS} rounds")
    for (engine, count), rates in found.items():
        ratio = statistics.median(a / b for a, b in zip(rates, base, strict=True))
        rate = statistics.median(rates)
        print(f"  {engine:8} {count} API processes  {rate:>7.1f} jobs/s  ratio {ratio:>5.2f}")


if __name__ == "__main__":
    main()
