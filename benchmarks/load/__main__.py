"""The load of 1,000 agents on one service, on SQLite and Postgres.

    python -m benchmarks.load [--agents 1000] [--engine sqlite] [--waits 4,60] [--rates 10,25,100]

An agent asks the server to wait 4 s for a job by default, and 60 s at most. First all agents wait
for jobs that do not come: the CPU share of the API, its memory, and how quickly it answers another
request. Then jobs come up at several rates, each as a campaign of its own that an HTTP client
starts, on one target after another: how long a job waits for its agent, and how many leases were
lost. Agents, service and database share the machine; an agent measures in no time. It takes about
three minutes for an engine.
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

IDLE_S, SETTLE_S = 25.0, 5.0
BUSY_S, DRAIN_S = 15.0, 10.0
MAX_WAIT_S = 60.0


@dataclass(frozen=True)
class Idle:
    """`share` is CPU seconds of all API processes per second; times are in seconds."""

    wait_s: float
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


async def idle(url: str, agents_: list[Agent], process: psutil.Process, wait_s: float) -> Idle:
    fleet = Fleet(url, agents_, wait_s)
    await fleet.start()
    await asyncio.sleep(SETTLE_S)
    before, began = cpu_s(process), time.monotonic()
    times = await response_times(url, IDLE_S)
    share = (cpu_s(process) - before) / (time.monotonic() - began)
    memory = memory_mb(process)
    await fleet.stop()
    return Idle(wait_s, share, memory, statistics.median(times), max(times))


async def busy(
    url: str, agents_: list[Agent], process: psutil.Process, space: Space, rate: float
) -> Busy:
    fleet = Fleet(url, agents_, MAX_WAIT_S)
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


def show(engine: str, calms: list[Idle], loads: list[Busy], count: int) -> None:
    print(f"{engine}, {count:,} agents")
    for calm in calms:
        print(
            f"  idle, each waits {calm.wait_s:.0f} s: {100 * calm.share:.1f}% of a core, "
            f"{calm.memory_mb:.0f} MB, GET /healthz {1e3 * calm.median_s:.0f} ms median, "
            f"{1e3 * calm.max_s:.0f} ms max"
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
        calms = [asyncio.run(idle(base, fleet, process, wait_s)) for wait_s in options.waits]
        loads = [asyncio.run(busy(base, fleet, process, space, rate)) for rate in options.rates]
    show(engine, calms, loads, options.agents)


def numbers(text: str) -> list[float]:
    return [float(part) for part in text.split(",")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--agents", type=int, default=1_000)
    parser.add_argument("--engine", choices=["sqlite", "postgres"], help="default: both")
    parser.add_argument("--api-processes", type=int, default=1)
    parser.add_argument("--waits", type=numbers, default=[4.0, 60.0], help="seconds of a poll")
    parser.add_argument("--rates", type=numbers, default=[10.0, 25.0, 100.0], help="jobs per s")
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
