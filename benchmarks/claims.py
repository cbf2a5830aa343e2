"""Jobs claimed and completed per second with 1, 2 and 4 API processes, on SQLite and Postgres.

    python -m benchmarks.claims [--seconds N] [--agents N]

Every figure is also given as a ratio to one API process on SQLite in the same run. The gain from
more processes depends on the cores that the database and the agents leave.
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
# More than any agent completes.
BLOCKS = 3_000
# Forked from a process that has these imports already, so that all begin at once.
_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["lpnet_demo.processes", "lpnet.zoo", "tests.harness.postgres"])


def register(http: Http, name: str) -> str:
    """Register a device with one target of the same name; returns the id of the agent."""
    target = {"name": name, "runtime": "onnxruntime", "threads": 1}
    registration = {"device": name, "facts": {}, "targets": [target], "agent_version": "1"}
    agent: str = http.post("/v1/agents", registration)["agent"]
    return agent


def work(url: str, name: str, agent: str, start: Any, seconds: float, done: Any) -> None:
    """Act as an agent whose measurements take no time; adds its completed jobs to `done`."""
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
    """Jobs completed per second by `agents` processes, each the agent of its own device."""
    start, done = _PROCESSES.Barrier(agents + 1), _PROCESSES.Value("i", 0)
    space = zoo.space("resnet20")
    names = [f"device-{round_}-{number}" for number in range(agents)]
    with Http(url) as http:
        http.post_bytes("/v1/spaces", space.to_bytes())
        ids = {name: register(http, name) for name in names}
        for name in names:
            campaign = {"target": name, "space": space.hash, "blocks": BLOCKS, "networks": 0}
            http.post("/v1/campaigns", campaign | {"pruned": 0, "repeats": 0})
    working = [
        _PROCESSES.Process(target=work, args=(url, name, agent, start, seconds, done))
        for name, agent in ids.items()
    ]
    for process in working:
        process.start()
    start.wait(120)
    started_at = time.monotonic()
    for process in working:
        process.join()
    return float(done.value / (time.monotonic() - started_at))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--agents", type=int, default=8)
    options = parser.parse_args()
    rates_by_setting: dict[tuple[str, int], list[float]] = {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(postgres.server())
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
                    rates_by_setting.setdefault((engine, count), []).append(rate)
    base = rates_by_setting["sqlite", 1]
    print(f"{options.agents} agents, {os.cpu_count()} cores, median of {ROUNDS} rounds")
    for (engine, count), rates in rates_by_setting.items():
        ratio = statistics.median(a / b for a, b in zip(rates, base, strict=True))
        rate = statistics.median(rates)
        print(f"  {engine:8} {count} API processes  {rate:>7.1f} jobs/s  ratio {ratio:>5.2f}")


if __name__ == "__main__":
    main()
