"""Fills a database with many random samples of many targets; none of them was measured.

Two large targets have the same workloads and two fifths of all samples each. The other targets
share the last fifth. Samples are written as rows, without the checks of the API. Counts and
medians are updated as in ingest.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from math import prod
from typing import Any
from zlib import crc32

import numpy as np
from sqlalchemy import insert
from sqlalchemy.orm import Session

from lpnet import zoo
from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.files import save
from lpnet.model.header import Calibration
from lpnet.model.kernels import coverage
from lpnet.schemas.device import DeviceFacts, TargetSpec
from lpnet.schemas.report import Baseline, Baselines, HeldOut, Interval, Report, TrainedOn
from lpnet.schemas.workload import SpaceWorkload, workload_key
from lpnet.space.space import Space
from lpnet_service.db.engine import Database
from lpnet_service.db.rows import (
    AgentRow,
    CampaignRow,
    DeviceRow,
    JobRow,
    LPNetRow,
    SampleRow,
    SideRow,
    TargetRow,
)
from lpnet_service.repositories.inserts import insert_ignoring
from lpnet_service.services.shared import artifacts, spaces, tallies
from lpnet_service.services.shared.context import Context, context
from lpnet_service.services.shared.targets import list_targets
from lpnet_service.settings import Settings

LARGE = ("large-1", "large-2")
_BATCH = 5000
_NETWORK_EVERY = 10
_REPEATED_EVERY = 50
_START = datetime(2026, 1, 1, tzinfo=UTC)
_DRAWS = ("random", "random", "mixed", "aligned", "sweep")


def fill(url: str, samples: int, targets: int) -> None:
    """Fill a migrated database with at least three targets; continues if it was interrupted."""
    ctx = context(Settings(database_url=url), Database(url))
    stored = {target.name: target.samples for target in list_targets(ctx)}
    space = zoo.space("resnet50")
    spaces.add(ctx, space.to_bytes())
    large = samples * 2 // 5
    small = (samples - 2 * large) // (targets - 2)
    counts = dict.fromkeys(LARGE, large) | {f"board-{i:03}": small for i in range(targets - 2)}
    weights = artifacts.keep(ctx, save(_lpnet(space)))
    for number, (target, count) in enumerate(counts.items()):
        if target not in stored:
            with ctx.db.write() as session:
                _add_target(session, target, space, weights)
        rows = _samples(target, space, count, scale=1.0 + 0.05 * number)
        _measure(ctx, target, islice(rows, stored.get(target, 0), None))
    ctx.db.close()


def _lpnet(space: Space) -> Ensemble:
    """An untrained LPNet: predicting costs as much as with a trained one."""
    calibration = Calibration(coverages=(0.5, 0.9), block=(0.7, 1.6), network=(0.7, 1.6))
    return Ensemble(
        EnsembleHeader(
            target=LARGE[0],
            batches=(1,),
            coverage=tuple(coverage(space.table)),
            calibration=calibration,
        )
    )


def _add_target(session: Session, target: str, space: Space, weights: str) -> None:
    """Add a device with an agent and a target, its LPNet, and a finished campaign."""
    spec = TargetSpec(name=target, runtime="onnxruntime", threads=1)
    device = f"{target}-device"
    session.add(
        DeviceRow(
            name=device,
            source="agent",
            facts_json=DeviceFacts().model_dump_json(),
            created_at=_START,
        )
    )
    session.flush()
    agent = f"agent-{secrets.token_hex(12)}"
    session.add(
        AgentRow(id=agent, device=device, version="1", last_seen_at=_START, created_at=_START)
    )
    session.add(
        TargetRow(
            name=target,
            device=device,
            source="agent",
            spec_json=spec.model_dump_json(),
            created_at=_START,
        )
    )
    session.flush()
    session.add(
        LPNetRow(
            id=f"lpnet-{secrets.token_hex(12)}",
            target=target,
            version=1,
            epoch=1,
            active=True,
            seed=0,
            network_mape_pct=None,
            batches_json="[1]",
            weights_sha256=weights,
            report_json=_report(target).model_dump_json(),
            created_at=_START,
        )
    )
    _campaign(session, target, space)


def _report(target: str) -> Report:
    no_metrics = HeldOut(
        block=None, network=None, network_random=None, network_aligned=None, network_pruned=None
    )
    return Report(
        target=target,
        lpnet=None,
        epoch=1,
        seed=0,
        trained_on=TrainedOn(block=1, network=1),
        noise_floor_pct=None,
        held_out=no_metrics,
        baselines=Baselines(**dict.fromkeys(Baselines.model_fields, Baseline())),
        interval=Interval(asked_pct=90, covered_pct=None, mean_width_pct=None),
    )


def _campaign(session: Session, target: str, space: Space) -> None:
    id_ = f"campaign-{secrets.token_hex(12)}"
    end = _START + timedelta(hours=1)
    session.add(
        CampaignRow(
            id=id_,
            target=target,
            space=space.hash,
            state="done",
            request_json="{}",
            total=480,
            created_at=_START,
            finished_at=end,
        )
    )
    session.flush()
    workload = {"space": space.hash, "block": None, "widths": _dense(space), "batch": 1}
    item = {"id": "item-0", "kind": "network", "workload": workload, "draw": "dense"}
    for position in range(20):
        session.add(
            JobRow(
                id=f"job-{secrets.token_hex(12)}",
                campaign=id_,
                target=target,
                state="done",
                position=position,
                fresh_session=False,
                items_json=json.dumps([item] * 24),
                items=24,
                measured=24,
                available_at=_START,
                created_at=_START,
                started_at=_START,
                finished_at=end,
            )
        )


def _dense(space: Space) -> dict[str, int]:
    return {width.name: width.max for width in space.widths}


def _measure(ctx: Context, target: str, rows: Iterator[dict[str, Any]]) -> None:
    while part := list(islice(rows, _BATCH)):
        _write(ctx, target, part)


def _write(ctx: Context, target: str, rows: list[dict[str, Any]]) -> None:
    keys = {row["workload_key"]: row["kind"] for row in rows}
    with (
        ctx.db.write() as session,
        tallies.updated(session, target, {(1, key) for key in keys}),
    ):
        session.execute(insert(SampleRow), rows)
    sides = [
        {
            "target": target,
            "epoch": 1,
            "workload_key": key,
            "kind": kind,
            "held_out": int(key[:8], 16) % 5 == 0,
        }
        for key, kind in keys.items()
    ]
    with ctx.db.write() as session:
        ignoring = insert_ignoring(session, SideRow, "target", "epoch", "workload_key")
        session.execute(ignoring, sides)


def _samples(target: str, space: Space, count: int, scale: float) -> Iterator[dict[str, Any]]:
    """Rows of samples; every target gets the same workloads in the same order."""
    rng = np.random.default_rng(0)
    noise = np.random.default_rng(crc32(target.encode()))
    parts = [None, *(block.name for block in space.blocks)]
    limits = {
        name: {w.name: w.max for w in (space if name is None else space.block(name)).widths}
        for name in parts
    }
    # A block with one width has too few workloads.
    parts = [name for name in parts if prod(limits[name].values()) > 10**6]
    number = 0
    while number < count:
        block = None if number % _NETWORK_EVERY == 0 else parts[1 + number % (len(parts) - 1)]
        dense = np.array(list(limits[block].values()))
        kept = np.maximum(1, (dense * rng.uniform(0.1, 1.0, len(dense))).astype(int))
        widths = dict(zip(limits[block], kept.tolist(), strict=True))
        size = float((kept / dense).mean())
        repeats = 2 if number % _REPEATED_EVERY == 0 else 1
        for session in range(min(repeats, count - number)):
            ms = scale * (10.0 if block is None else 1.0) * size * noise.lognormal(0.0, 0.02)
            yield _row(target, space, block, widths, ms, number, session)
            number += 1


def _row(
    target: str,
    space: Space,
    block: str | None,
    widths: dict[str, int],
    ms: float,
    number: int,
    session: int,
) -> dict[str, Any]:
    kind = "network" if block is None else "block"
    workload = {"batch": 1, "block": block, "space": space.hash, "widths": widths}
    key = sha256(json.dumps(workload, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    if number == 0:
        assert key == workload_key(SpaceWorkload.model_validate(workload))
    group = {
        "target": target,
        "epoch": 1,
        "kind": kind,
        "space": space.hash,
        "block": block,
        "draw": _DRAWS[number % len(_DRAWS)],
        "disturbed": number % 33 == 0,
    }
    id_ = f"item-{secrets.token_hex(12)}"
    taken_at = _START + timedelta(seconds=number)
    body = {
        **{name: group[name] for name in ("kind", "draw", "disturbed")},
        "workload": workload,
        "latency_ms": ms,
        "std_ms": 0.02 * ms,
        "count": 50,
        "p10_ms": 0.98 * ms,
        "p90_ms": 1.03 * ms,
        "id": id_,
        "session": f"s{session}",
        "measured_at": taken_at.isoformat(),
        "conditions": {"frequency_mhz": 2400.0, "temperature_c": 50.0},
    }
    return {
        **group,
        "id": id_,
        "campaign": None,
        "workload_key": key,
        "session": f"s{session}",
        "latency_ms": ms,
        "sentinel": None,
        "group_key": tallies.group_key(**group),
        "taken_at": taken_at,
        "stored_at": taken_at,
        "body_json": json.dumps(body, separators=(",", ":")),
    }
