"""What training takes: measured workloads as plain values, without a database."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lpnet.errors import LpnetError
from lpnet.schemas.workload import Kind
from lpnet.space.table import OpTable

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
MIN_SAMPLES = 4


@dataclass(frozen=True)
class Record:
    """One measured workload.

    `key` identifies the workload: a workload measured twice has two records with the same key.
    `table` has no widths, because their values are folded into its constants. `space` (hash) and
    `widths` are None for a workload that was described op by op. `sample` is the id of the sample,
    for messages.
    """

    key: str
    kind: Kind
    table: OpTable
    batch: int
    latency_ms: float
    draw: str | None
    space: str | None
    widths: Mapping[str, int] | None
    held_out: bool
    sample: str | None = None


@dataclass(frozen=True)
class RecordSet:
    """N records with their latencies in ms, and whether each is a network, both (N,)."""

    records: tuple[Record, ...]
    latency: Vector
    network: Mask

    @classmethod
    def of(cls, records: Sequence[Record]) -> RecordSet:
        """Raises LpnetError if there are no records, or if a latency is not a positive number."""
        if not records:
            raise LpnetError("there are no samples")
        for record in records:
            if not (math.isfinite(record.latency_ms) and record.latency_ms > 0):
                raise LpnetError(
                    f"workload {record.key}: latency must be a positive number of milliseconds, "
                    f"got {record.latency_ms}"
                )
        return cls(
            records=tuple(records),
            latency=np.array([record.latency_ms for record in records]),
            network=np.array([record.kind == "network" for record in records]),
        )

    def __len__(self) -> int:
        return len(self.records)


def by_workload(records: Sequence[Record]) -> Index:
    """A number per record (N,), the same for records of the same workload."""
    numbers: dict[str, int] = {}
    return np.array(
        [numbers.setdefault(record.key, len(numbers)) for record in records], dtype=np.int64
    )


def require_samples(training: Sequence[Record], purpose: str) -> None:
    """Raises LpnetError, with the counts, if there are too few samples to train on."""
    if len(training) < MIN_SAMPLES:
        blocks = sum(record.kind == "block" for record in training)
        raise LpnetError(
            f"{purpose} needs at least {MIN_SAMPLES} samples; there are {blocks} blocks and "
            f"{len(training) - blocks} networks that are undisturbed and not held out"
        )
