"""Whether what is kept beside samples is what the samples say."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from statistics import median
from typing import Any

import pytest
from sqlalchemy import select

from lpnet.noise import Reading, noise_floor, spread
from lpnet_service.db.engine import Database
from lpnet_service.db.rows import EpochRow, GroupRow, SampleRow, WorkloadRow
from lpnet_service.services.shared import tallies


def check_tallies(database: Database) -> None:
    """Work everything out from the samples again, and compare."""
    groups: Counter[tuple[Any, ...]] = Counter()
    epochs: Counter[tuple[str, int]] = Counter()
    medians: dict[tuple[Any, ...], list[float]] = defaultdict(list)
    sessions: dict[tuple[Any, ...], dict[str, list[Reading]]] = defaultdict(
        lambda: defaultdict(list)
    )
    with database.read() as session:
        samples = session.scalars(select(SampleRow)).all()
        stored_groups = session.scalars(select(GroupRow)).all()
        stored_epochs = session.scalars(select(EpochRow)).all()
        workloads = session.scalars(select(WorkloadRow)).all()
    keys = {group.key for group in stored_groups}
    for row in samples:
        assert (row.group_key is None) == (row.sentinel is not None)
        assert json.loads(row.body_json)["disturbed"] == row.disturbed
        if row.sentinel is not None:
            continue
        assert row.group_key in keys
        assert row.group_key == tallies.group_key(*_group(row))
        groups[_group(row)] += 1
        epochs[row.target, row.epoch] += 1
        if not row.disturbed:
            key = (row.target, row.epoch, row.workload_key)
            medians[key].append(row.latency_ms)
            if row.session is not None:
                sessions[key][row.session].append((row.taken_at, row.latency_ms))
    assert {_group(group): group.samples for group in stored_groups} == groups
    counted = {(e.target, e.epoch): e.samples for e in stored_epochs if e.samples}
    assert counted == epochs
    stored = {(w.target, w.epoch, w.workload_key): w for w in workloads}
    assert stored.keys() == medians.keys()
    spreads: dict[tuple[str, int], list[float]] = defaultdict(list)
    for key, workload in stored.items():
        apart = spread(sessions[key].values())
        assert workload.latency_ms == pytest.approx(median(medians[key]))
        assert workload.spread == (None if apart is None else pytest.approx(apart))
        if apart is not None:
            spreads[key[:2]].append(apart)
    for epoch in stored_epochs:
        floor = noise_floor(spreads[epoch.target, epoch.epoch])
        assert epoch.repeated == floor.workloads
        stored_floor = (epoch.noise_floor_pct, epoch.noise_low_pct, epoch.noise_high_pct)
        assert stored_floor == pytest.approx((floor.pct, floor.low_pct, floor.high_pct))


def _group(row: Any) -> tuple[Any, ...]:
    names = ("target", "epoch", "kind", "space", "block", "draw", "disturbed")
    return tuple(getattr(row, name) for name in names)
