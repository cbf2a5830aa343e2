"""Cuts: pairs of measured workloads that differ in one width by a small step.

The effect of single cuts is what a pruner needs of an LPNet. It is smaller than the latency of a
network by orders of magnitude, so a small error of the latency says little about it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from lpnet_service.training.baselines.lookup import signature
from lpnet_service.training.records import Index, Mask, Record, Vector, by_workload

# A step is small up to so many channels, or this share of the larger value.
MAX_STEP, MAX_STEP_SHARE = 16, 0.25
# A change is beyond the noise if it exceeds so many noise floors.
FLOORS = 2.0


@dataclass(frozen=True)
class CutTable:
    """N cuts of workloads W: indices of the wider and the narrower workload, removed channels, and
    how many of the two were held out, all (N,); `measured` (W,) in ms."""

    workloads: tuple[Record, ...]
    measured: Vector
    wide: Index
    narrow: Index
    channels: Vector
    held_out: Index

    def __len__(self) -> int:
        return len(self.wide)

    def part(self, cuts: Index, limit: int, seed: int) -> CutTable:
        """The chosen cuts, or a random part of `limit`, with their workloads only."""
        if len(cuts) > limit:
            cuts = np.sort(np.random.default_rng(seed).choice(cuts, limit, replace=False))
        wide, narrow = self.wide[cuts], self.narrow[cuts]
        kept, numbers = np.unique(np.concatenate((wide, narrow)), return_inverse=True)
        return CutTable(
            tuple(self.workloads[i] for i in kept),
            self.measured[kept],
            numbers[: len(wide)],
            numbers[len(wide) :],
            self.channels[cuts],
            self.held_out[cuts],
        )

    def exceeding(self, ms: Vector, noise_floor_pct: float) -> Mask:
        """Cuts (N,) that change the latencies `ms` (W,) by more than twice the noise floor."""
        change = np.abs(np.log(ms[self.narrow] / ms[self.wide]))
        return np.asarray(100.0 * change > FLOORS * noise_floor_pct)

    def saved(self, ms: Vector) -> Vector:
        """What each cut (N,) saves of the latencies `ms` (W,)."""
        return np.asarray(ms[self.wide] - ms[self.narrow])


def cut_table(training: Sequence[Record], test: Sequence[Record]) -> CutTable:
    """All cuts among the workloads; the latency of a workload is the median of its records."""
    records = [*training, *test]
    numbers = by_workload(records)
    first = np.unique(numbers, return_index=True)[1]
    latency = np.array([record.latency_ms for record in records])
    order = np.argsort(numbers, kind="stable")
    of_workload = np.split(latency[order], np.cumsum(np.bincount(numbers))[:-1])
    workloads = tuple(records[i] for i in first)
    wide, narrow, channels = _pairs(workloads)
    held_out = (first >= len(training)).astype(np.int64)
    return CutTable(
        workloads=workloads,
        measured=np.array([np.median(part) for part in of_workload]),
        wide=wide,
        narrow=narrow,
        channels=channels,
        held_out=held_out[wide] + held_out[narrow],
    )


def _pairs(workloads: Sequence[Record]) -> tuple[Index, Index, Vector]:
    """Indices of wider and narrower workloads, and the channels between them, each (N,)."""
    lines: dict[Hashable, dict[int, int]] = defaultdict(dict)
    for index, workload in enumerate(workloads):
        for line, value in _lines(workload):
            lines[line].setdefault(value, index)
    pairs = [
        (wide, narrow, high - low)
        for line in lines.values()
        for (low, narrow), (high, wide) in pairwise(sorted(line.items()))
        if high - low <= max(MAX_STEP, MAX_STEP_SHARE * high)
    ]
    wide, narrow, channels = np.array(pairs, dtype=np.int64).reshape(-1, 3).T
    return wide, narrow, channels.astype(float)


def _lines(workload: Record) -> Iterator[tuple[Hashable, int]]:
    """The lines along single widths that a workload lies on, each with the value of that width.

    Workloads that are alike in everything else lie on the same line.
    """
    shape = (workload.kind, workload.space, signature(workload.table, workload.batch))
    if workload.widths is not None:
        widths = sorted(workload.widths.items())
        for index, (name, value) in enumerate(widths):
            yield (*shape, name, *widths[:index], *widths[index + 1 :]), value
        return
    table = workload.table
    channels = np.concatenate((table.b_in, table.b_out, table.b_g))
    for value in np.unique(channels[channels > 1]).tolist():
        yield (*shape, *np.where(channels == value, 0.0, channels).tolist()), int(value)
