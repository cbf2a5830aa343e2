"""Keeps counts, medians and noise floors in step with the samples.

Tables of a million samples are counted, filtered and compared by these rows, without reading the
samples. After a change they are recomputed from the samples that are stored, not from what the
change intended: so rows that an insert skipped or replaced are counted correctly.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import lru_cache
from statistics import median
from typing import Any

from sqlalchemy.orm import Session

from lpnet.noise import Reading, noise_floor, spread
from lpnet_service.repositories.tallies import EpochWorkload, TallyRepository

_GROUP_COLUMNS = ("epoch", "kind", "space", "block", "draw", "disturbed")
_WORKLOAD_COLUMNS = ("epoch", "workload_key", "kind", "space", "block")


@lru_cache(maxsize=10_000)
def group_key(
    target: str,
    epoch: int,
    kind: str,
    space: str | None,
    block: str | None,
    draw: str | None,
    disturbed: bool,
) -> int:
    """The key of the group with these values: 63 bits of a hash."""
    text = json.dumps([target, epoch, kind, space, block, draw, disturbed])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


@contextmanager
def updated(session: Session, target: str, workloads: Collection[EpochWorkload]) -> Iterator[None]:
    """Change samples of these workloads of a target inside this block.

    Counts and medians are updated as the block ends, in the same transaction. Other transactions
    that change samples of the target wait.
    """
    tallies = TallyRepository(session)
    tallies.lock(target)
    counts_before = tallies.counts_by_group(target, workloads)
    spreads_before = tallies.spreads_of(target, workloads)
    yield
    session.flush()
    _update(tallies, target, workloads, counts_before, spreads_before)


def _update(
    tallies: TallyRepository,
    target: str,
    workloads: Collection[EpochWorkload],
    counts_before: dict[int, int],
    spreads_before: dict[EpochWorkload, float | None],
) -> None:
    groups: dict[int, dict[str, Any]] = {}
    changes: dict[int, int] = defaultdict(int)
    tallied: dict[EpochWorkload, _WorkloadTally] = {}
    for sample in tallies.samples_of(target, workloads):
        changes[sample.group_key] += 1
        if sample.group_key not in groups:
            columns = {name: getattr(sample, name) for name in _GROUP_COLUMNS}
            groups[sample.group_key] = columns | {"target": target}
        if not sample.disturbed:
            workload = (sample.epoch, sample.workload_key)
            tallied.setdefault(workload, _WorkloadTally(sample)).add(sample)
    for key, count in counts_before.items():
        changes[key] -= count
    changes = {key: count for key, count in changes.items() if count}
    rows = {workload: tally.columns(target) for workload, tally in tallied.items()}
    for workload in tallies.doubted(target, rows):
        # Measured again because of its latency: this session says nothing about the noise.
        rows[workload]["spread"] = spreads_before.get(workload)
    tallies.put_workloads(target, rows, [w for w in workloads if w not in rows])
    for epoch, count in tallies.add_to_groups(changes, groups).items():
        tallies.add_to_epoch(target, epoch, count)
    spreads = {w: row["spread"] for w, row in rows.items() if row["spread"] is not None}
    for epoch in {epoch for epoch, _ in workloads}:
        if _in_epoch(epoch, spreads) != _in_epoch(epoch, spreads_before):
            tallies.set_noise(target, epoch, noise_floor(tallies.spreads(target, epoch)))


def _in_epoch(
    epoch: int, spreads: dict[EpochWorkload, float | None]
) -> dict[EpochWorkload, float | None]:
    return {workload: value for workload, value in spreads.items() if workload[0] == epoch}


class _WorkloadTally:
    """Collects the undisturbed samples of a workload and makes its row."""

    def __init__(self, sample: Any) -> None:
        self._columns = {name: getattr(sample, name) for name in _WORKLOAD_COLUMNS}
        self._latencies: list[float] = []
        self._sessions: dict[str, list[Reading]] = defaultdict(list)

    def add(self, sample: Any) -> None:
        self._latencies.append(sample.latency_ms)
        if sample.session is not None:
            self._sessions[sample.session].append((sample.taken_at, sample.latency_ms))

    def columns(self, target: str) -> dict[str, Any]:
        return self._columns | {
            "target": target,
            "latency_ms": median(self._latencies),
            "spread": spread(self._sessions.values()),
        }
