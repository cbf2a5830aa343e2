"""Fills a database quickly with samples like those of a lab.

    python -m benchmarks.storage.filling --database URL [--samples 1000000] [--targets 200]

Everything is stored as the service does it: devices with agents, targets, two spaces, finished
campaigns with their jobs, samples with all conditions, sides. Only the latencies are artificial: a
function of the workload's MACs and alignment, times the speed of the target and some noise. One
sample in fifty is disturbed, and one in twenty-five is a reading of a sentinel. There are no
LPNets; `lpnet train` makes them.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from sqlalchemy import insert

from lpnet import zoo
from lpnet.schemas.campaign import NewCampaign, PlannedWorkload
from lpnet.schemas.device import DeviceFacts, Registration, TargetSpec
from lpnet.schemas.sample import Conditions, Sample
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.sampling import plan
from lpnet.space.space import Space
from lpnet.space.table import OpTable
from lpnet_service.db.migrate import migrate
from lpnet_service.db.rows import CampaignRow, JobRow, SampleRow
from lpnet_service.ids import new_id
from lpnet_service.repositories.campaigns import CampaignRepository
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.services.measuring import agents, campaigns, ingest
from lpnet_service.services.measuring.jobs import item_ids
from lpnet_service.services.shared import spaces, tallies
from lpnet_service.services.shared.context import Context, context
from lpnet_service.settings import Settings
from lpnet_service.worker import dataset

SPACES = ("resnet20", "mobilenet_v2_32")
TARGETS_OF_DEVICE = 10
_NETWORK_SHARE = 0.1
_DISTURBED_SHARE = 0.02
_SENTINEL_SHARE = 0.04
_NOISE = 0.006
_ROUND_TRIP = 5000
_CONDITIONS = Conditions(
    visits_ms=(1.0321, 1.0318, 1.0325),
    plain_ms=1.0322,
    runs=412,
    waiting_runs=3,
    slow_runs=5,
    wall_s=0.4312,
    cpu_s=0.4287,
    waited_s=0.0012,
    others_s=0.0031,
    elsewhere_share=0.021,
    memory_pct=0.41,
    pressure_s=0.0021,
    voluntary_switches=11,
    involuntary_switches=2,
    page_faults=0,
    steal_s=0.0,
    load_1m=0.52,
    runnable=2,
    frequency_mhz=2890.1,
    temperature_c=51.5,
    throttled=False,
)


@dataclass(frozen=True)
class Filled:
    """What was stored. `jsonl_bytes` is the size of an export; `seconds` excludes drawing the
    workloads."""

    samples: int
    jsonl_bytes: int
    seconds: float


@dataclass(frozen=True)
class _Pool:
    """Workloads of a space, and the latency of each on a target of speed 1."""

    space: Space
    planned: Sequence[PlannedWorkload]
    ms: Sequence[float]


def fill(ctx: Context, *, samples: int, targets: int, seed: int = 0) -> Filled:
    """Store about `samples` samples of `targets` targets in a migrated database."""
    rng = np.random.default_rng(seed)
    per_space = max(samples // targets // len(SPACES), 25)
    pools = [_pool(ctx, name, per_space, seed) for name in SPACES]
    started = time.perf_counter()
    stored, size = 0, 0
    for name, agent in _targets(ctx, targets):
        speed = float(rng.uniform(0.3, 3.0))
        for pool in pools:
            rows = _campaign(ctx, name, agent, pool, speed, rng)
            for start in range(0, len(rows), _ROUND_TRIP):
                part = rows[start : start + _ROUND_TRIP]
                workloads = {(row["epoch"], row["workload_key"]) for row in part}
                with ctx.db.write() as session, tallies.updated(session, name, workloads):
                    # Not through the ORM, which is slower than the database.
                    session.connection().execute(insert(SampleRow), part)
            stored += len(rows)
            size += sum(len(row["body_json"]) + 1 for row in rows)
        dataset.draw_missing_sides(ctx, name)
    return Filled(stored, size, time.perf_counter() - started)


def _targets(ctx: Context, count: int) -> Iterator[tuple[str, str]]:
    """Register devices with their targets; yields each target with the id of its agent."""
    for first in range(0, count, TARGETS_OF_DEVICE):
        device = f"device-{first // TARGETS_OF_DEVICE:03}"
        names = [f"{device}-target-{n}" for n in range(min(TARGETS_OF_DEVICE, count - first))]
        registration = Registration(
            device=device,
            facts=DeviceFacts(cpu="a CPU", cores=8),
            targets=tuple(
                TargetSpec(name=name, runtime="onnxruntime", threads=n + 1)
                for n, name in enumerate(names)
            ),
            agent_version="1",
        )
        agent = agents.register(ctx, registration).agent
        yield from ((name, agent) for name in names)


def _pool(ctx: Context, name: str, count: int, seed: int) -> _Pool:
    space = zoo.space(name)
    spaces.add(ctx, space.to_bytes())
    networks = max(round(count * _NETWORK_SHARE), 1)
    planned = plan(space, blocks=count - networks, networks=networks, seed=seed)
    return _Pool(space, planned, [_ms(space, workload.workload) for workload in planned])


def _ms(space: Space, workload: object) -> float:
    assert isinstance(workload, SpaceWorkload)
    part = space if workload.block is None else space.block(workload.block)
    ops = OpTable.from_ops(part.ops(workload.widths))
    unaligned = sum(width % 8 != 0 for width in workload.widths.values()) / len(workload.widths)
    return float(0.002 * len(ops.rows) + 2e-8 * float(ops.macs(ops.b_in[:0])) * (1 + unaligned))


def _campaign(
    ctx: Context, target: str, agent: str, pool: _Pool, speed: float, rng: np.random.Generator
) -> list[dict[str, Any]]:
    """Add a finished campaign with its jobs; returns rows of its samples and of sentinels."""
    now = ctx.clock.now()
    request = NewCampaign(target=target, space=pool.space.hash)
    row = CampaignRow(
        id=new_id("campaign"),
        target=target,
        space=pool.space.hash,
        request_json=request.model_dump_json(exclude={"workloads"}),
        total=len(pool.planned),
        state="done",
        created_at=now,
        finished_at=now,
    )
    with ctx.db.write() as session:
        session.add(row)
        session.flush()
        campaigns.add_jobs(session, row, pool.planned, now=now)
        jobs = CampaignRepository(session).jobs(row.id)
        for job in jobs:
            _finish(job, agent, now)
        target_row = DeviceRepository(session).get_target(target)
    assert target_row is not None
    ids = [id_ for job in jobs for id_ in item_ids(job)]
    samples = _samples(pool, ids, speed, rng, now)
    return [
        ingest.sample_columns(target_row, sample, now, row.id, current=True) for sample in samples
    ]


def _finish(job: JobRow, agent: str, now: datetime) -> None:
    job.state, job.agent, job.attempts, job.ended = "done", agent, 1, 1
    job.offered = job.measured = job.items
    job.started_at, job.finished_at = now, now + timedelta(seconds=20)


def _samples(
    pool: _Pool, ids: Sequence[str], speed: float, rng: np.random.Generator, now: datetime
) -> Iterator[Sample]:
    session = new_id("session")
    noise = rng.lognormal(0.0, _NOISE, len(ids))
    random = rng.random((len(ids), 2))
    for number, (id_, planned, ms) in enumerate(zip(ids, pool.planned, pool.ms, strict=True)):
        taken_at = now + timedelta(milliseconds=number)
        disturbed = bool(random[number, 0] < _DISTURBED_SHARE)
        yield _sample(planned, id_, ms * speed * noise[number], taken_at, session, disturbed)
        if random[number, 1] < _SENTINEL_SHARE:
            reading = _sample(
                planned, new_id("sample"), speed * noise[number], taken_at, session, False
            )
            yield reading.model_copy(update={"sentinel": "memory", "draw": None})


def _sample(
    planned: PlannedWorkload, id_: str, ms: float, at: datetime, session: str, disturbed: bool
) -> Sample:
    # Without validation, which would take most of the time.
    return Sample.model_construct(
        kind=planned.kind,
        workload=planned.workload,
        latency_ms=round(ms, 6),
        std_ms=round(0.01 * ms, 6),
        count=400,
        p10_ms=round(0.99 * ms, 6),
        p90_ms=round(1.02 * ms, 6),
        min_ms=round(0.98 * ms, 6),
        ci_low_ms=round(0.998 * ms, 6),
        ci_high_ms=round(1.002 * ms, 6),
        converged=True,
        measured_at=at,
        session=session,
        disturbed=disturbed,
        reasons=("elsewhere: the other cores were busy",) if disturbed else (),
        conditions=_CONDITIONS,
        id=id_,
        draw=planned.draw,
        sentinel=None,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--database", required=True, help="sqlite:///PATH or postgresql://...")
    parser.add_argument("--samples", type=int, default=1_000_000)
    parser.add_argument("--targets", type=int, default=200)
    options = parser.parse_args()
    ctx = context(Settings(database_url=options.database))
    migrate(ctx.db)
    filled = fill(ctx, samples=options.samples, targets=options.targets)
    ctx.db.close()
    rate = filled.samples / filled.seconds
    print(f"{filled.samples:,} samples in {filled.seconds:.0f} s, {rate:,.0f} a second")


if __name__ == "__main__":
    main()
