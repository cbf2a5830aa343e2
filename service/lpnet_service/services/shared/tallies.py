"""Keeping counts, medians and noise floors in step with samples.

Tables of a million samples are counted, filtered and compared by these rows instead of by reading
them all. They are worked out from the samples that are there after a change, not from what the
change was meant to be: whatever a conflict left out or replaced is counted as it is.
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

from lpnet_service.repositories.tallies import EpochWorkload, TallyRepository
from lpnet_service.services.shared.noise import floor_pct, spread

_FACTS = ("epoch", "kind", "space", "block", "draw", "disturbed")


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
    """The key of the group that such samples are in; 63 bits of a hash."""
    text = json.dumps([target, epoch, kind, space, block, draw, disturbed])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) >> 1


@contextmanager
def kept(session: Session, target: str, places: Collection[EpochWorkload]) -> Iterator[None]:
    """Change samples of these workloads of a target inside; counts and medians follow at the end,
    in the same transaction. Others that change samples of the target wait."""
    TallyRepository(session).lock(target)
    before = TallyRepository(session).counts_by_group(target, places)
    spreads = TallyRepository(session).spreads_of(target, places)
    yield
    session.flush()
    _follow(session, target, places, before, spreads)


def _follow(
    session: Session,
    target: str,
    places: Collection[EpochWorkload],
    before: dict[int, int],
    spreads: dict[EpochWorkload, float | None],
) -> None:
    facts: dict[int, dict[str, Any]] = {}
    change: dict[int, int] = defaultdict(int)
    workloads: dict[EpochWorkload, _Workload] = {}
    for row in TallyRepository(session).samples_of(target, places):
        change[row.group_key] += 1
        if row.group_key not in facts:
            facts[row.group_key] = {name: getattr(row, name) for name in _FACTS}
            facts[row.group_key]["target"] = target
        if not row.disturbed:
            place = (row.epoch, row.workload_key)
            workloads.setdefault(place, _Workload(row)).add(row)
    for key, count in before.items():
        change[key] -= count
    moved = {key: count for key, count in change.items() if count}
    rows = {place: one.columns(target) for place, one in workloads.items()}
    TallyRepository(session).put_workloads(target, rows, [p for p in places if p not in rows])
    for epoch, count in TallyRepository(session).add_to_groups(moved, facts).items():
        TallyRepository(session).add_to_epoch(target, epoch, count)
    now = {place: row["spread"] for place, row in rows.items() if row["spread"] is not None}
    for epoch in {epoch for epoch, _ in places}:
        if _of(epoch, now) != _of(epoch, spreads):
            noise = floor_pct(TallyRepository(session).spreads(target, epoch))
            TallyRepository(session).set_noise(target, epoch, noise)


def _of(
    epoch: int, spreads: dict[EpochWorkload, float | None]
) -> dict[EpochWorkload, float | None]:
    return {place: value for place, value in spreads.items() if place[0] == epoch}


class _Workload:
    """The undisturbed samples of a workload, on their way to its row."""

    def __init__(self, row: Any) -> None:
        self._row = row
        self._latencies: list[float] = []
        self._sessions: dict[str, list[float]] = defaultdict(list)

    def add(self, row: Any) -> None:
        self._latencies.append(row.latency_ms)
        if row.session is not None:
            self._sessions[row.session].append(row.latency_ms)

    def columns(self, target: str) -> dict[str, Any]:
        names = ("epoch", "workload_key", "kind", "space", "block")
        found: dict[str, Any] = {name: getattr(self._row, name) for name in names}
        found["target"], found["latency_ms"] = target, median(self._latencies)
        found["spread"] = spread(self._sessions.values())
        return found
