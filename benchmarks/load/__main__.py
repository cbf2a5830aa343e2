"""The load of 1,000 agents on one service, on SQLite and Postgres.

    python -m benchmarks.load [--agents 1000] [--engine sqlite] [--rates 25,50,100]

First all agents wait for jobs that do not come: the CPU share of the API, its memory, and how
quickly it answers another request. Then jobs come up at several rates, each as a campaign of its
own that an HTTP client starts, on one target after another: how long a job waits for its agent,
and how many leases were lost. Agents, service and database share the machine; an agent measures in
no time. It takes about two and a half minutes for an engine.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil
from tests.harness import postgres

from benchmarks.load.fleet import Agent, Counts, Fleet, by_status, response_times
from benchmarks.storage.serving import memory_mb, serving
from lpnet import zoo
from lpnet.schemas.device import DeviceFacts, Registration, TargetSpec
from lpnet.space.space import Space
from lpnet_service.db.migrate import migrate
from lpnet_service.processes.limits import raise_open_files
from lpnet_service.services.measuring import agents
from lpnet_service.services.shared import spaces
from lpnet_service.services.shared.context import context
from lpnet_service.settings import Settings

# As lpnet-agent waits by default.
WAIT_S = 20.0
IDLE_S, SETTLE_S = 40.0, 5.0
BUSY_S, DRAIN_S = 20.0, 10.0


@dataclass(frozen=True)
class Idle:
    """`share` is CPU seconds of all API processes per second; times are in seconds."""

    share: float
    memory_mb: float
    median_s: float
    max_s: float


@dataclass(frozen=True)
class Busy:
    """Jobs per second asked for, and what came of them; `share` as for Idle."""

    rate: float
    counts: Counts
    seconds: float
    share: float
    memory_mb: float


def prepare(url: str, count: int, space: Space) -> list[Agent]:
    ctx = context(Settings(database_url=url))
    migrate(ctx.db)
    spaces.add(ctx, space.to_bytes())
    fleet = []
    for number in range(count):
        name = f"device-{number}"
        registration = Registration(
            device=name,
            facts=DeviceFacts(),
            targets=(TargetSpec(name=name, runtime="onnxruntime", threads=1),),
            agent_version="1",
        )
        fleet.append(Agent(agents.register(ctx, registration).agent, name))
    ctx.db.close()
    return fleet


def cpu_s(process: psutil.Process) -> float:
    """CPU seconds of the processes below `lpnet-service run`."""
    times = [child.cpu_times() for child in process.children(recursive=True)]
    return float(sum(used.user + used.system for used in times))


async def idle(url: str, agents_: list[Agent], process: psutil.Process) -> Idle:
    fleet = Fleet(url, agents_, WAIT_S)
    await fleet.start()
    await asyncio.sleep(SETTLE_S)
    before, began = cpu_s(process), time.monotonic()
    times = await response_times(url, IDLE_S)
    share = (cpu_s(process) - before) / (time.monotonic() - began)
    memory = memory_mb(process)
    await fleet.stop()
    return Idle(share, memory, statistics.median(times), max(times))


async def busy(
    url: str, agents_: list[Agent], process: psutil.Process, space: Space, rate: float
) -> Busy:
    fleet = Fleet(url, agents_, WAIT_S)
    await fleet.start()
    await asyncio.sleep(SETTLE_S)
    before, began = cpu_s(process), time.monotonic()
    widths = {width.name: width.max for width in space.widths}
    await fleet.start_campaigns(space.hash, widths, rate, BUSY_S)
    seconds = time.monotonic() - began
    share = (cpu_s(process) - before) / seconds
    end = time.monotonic() + DRAIN_S
    while fleet.counts.completed < fleet.counts.started and time.monotonic() < end:
        await asyncio.sleep(0.1)
    memory = memory_mb(process)
    await fleet.stop()
    return Busy(rate, fleet.counts, seconds, share, memory)


def show(engine: str, calm: Idle, loads: list[Busy], count: int) -> None:
    print(f"{engine}, {count:,} agents")
    print(
        f"  idle: {100 * calm.share:.1f}% of a core, {calm.memory_mb:.0f} MB, GET /healthz "
        f"{1e3 * calm.median_s:.0f} ms median, {1e3 * calm.max_s:.0f} ms max"
    )
    for load in loads:
        counts = load.counts
        waits = sorted(counts.waits) or [float("nan")]
        p95 = waits[int(0.95 * (len(waits) - 1))]
        print(
            f"  {load.rate:.0f} jobs/s: {counts.started / load.seconds:.1f} started/s, "
            f"{counts.completed} of {counts.started} completed, {counts.lost} leases lost, wait "
            f"{statistics.median(waits):.3f} s median, {p95:.3f} s p95, "
            f"{100 * load.share:.0f}% of a core, {load.memory_mb:.0f} MB; "
            f"statuses {by_status(counts)}",
            flush=True,
        )


def measure(engine: str, url: str, folder: Path, options: argparse.Namespace) -> None:
    space = zoo.space("resnet20")
    fleet = prepare(url, options.agents, space)
    arguments = ("--no-worker", "--api-processes", str(options.api_processes))
    with serving(url, folder, *arguments) as (http, process):
        base = http.base_url
        calm = asyncio.run(idle(base, fleet, process))
        loads = []
        for rate in options.rates:
            loads.append(asyncio.run(busy(base, fleet, process, space, rate)))
    show(engine, calm, loads, options.agents)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--engine", choices=["sqlite", "postgres"], help="default: both")
    parser.add_argument("--api-processes", type=int, default=1)
    parser.add_argument(
        "--rates",
        type=lambda text: [float(rate) for rate in text.split(",")],
        default=[25.0, 50.0, 100.0],
        help="jobs per second",
    )
    options = parser.parse_args()
    if raise_open_files() < options.agents + 200:
        raise SystemExit("too few open files are allowed here: raise `ulimit -Hn`")
    with tempfile.TemporaryDirectory() as folder:
        if options.engine != "postgres":
            measure("SQLite", f"sqlite:///{folder}/lpnet.db", Path(folder), options)
        if options.engine != "sqlite":
            with postgres.server() as server, postgres.database(server) as url:
                measure("Postgres", url, Path(folder), options)


if __name__ == "__main__":
    main()
