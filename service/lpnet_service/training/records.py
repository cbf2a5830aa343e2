"""What training takes: measured workloads as plain values, without a database."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lpnet.errors import LpnetError
from lpnet.model.features import Units
from lpnet.model.lpnet import features_of
from lpnet.schemas.workload import Kind
from lpnet.space.table import OpTable

Vector = NDArray[np.float64]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]
LEAST_SAMPLES = 4


@dataclass(frozen=True)
class Record:
    """One measured workload.

    `key` is the workload's; the same workload measured twice has two records of one key. `table`
    has no widths: they are worked into its constants. `space` (hash) and `widths` are None for a
    workload that was given op by op.
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


@dataclass(frozen=True)
class Data:
    """Records with their kernels' features worked out once, all in the same order.

    `features` (U, STATIC + DYNAMIC) and `logs` (2, U) of all kernels, those of record i being
    `bounds[i]` to `bounds[i + 1]`.
    """

    records: tuple[Record, ...]
    features: Tensor
    logs: Tensor
    bounds: Index
    latency: Vector
    network: Mask

    @classmethod
    def of(cls, records: Sequence[Record]) -> Data:
        """Raises LpnetError for no records, and for latencies that are not positive numbers."""
        if not records:
            raise LpnetError("there are no samples")
        for record in records:
            if not (math.isfinite(record.latency_ms) and record.latency_ms > 0):
                raise LpnetError(f"workload {record.key}: a latency of {record.latency_ms} ms")
        units = [Units.of(record.table, record.batch) for record in records]
        features, logs = features_of(Units.cat(units))
        return cls(
            records=tuple(records),
            features=features,
            logs=logs,
            bounds=np.cumsum([0, *(part.count for part in units)]),
            latency=np.array([record.latency_ms for record in records]),
            network=np.array([record.kind == "network" for record in records]),
        )

    def __len__(self) -> int:
        return len(self.records)

    def pick(self, chosen: Index) -> Data:
        """Some of the records, in the order of `chosen`."""
        counts = np.diff(self.bounds)[chosen]
        kernels = torch.from_numpy(
            np.concatenate([np.arange(self.bounds[i], self.bounds[i + 1]) for i in chosen])
            if len(chosen)
            else np.zeros(0, dtype=np.int64)
        )
        return Data(
            records=tuple(self.records[i] for i in chosen),
            features=self.features[kernels],
            logs=self.logs[:, kernels],
            bounds=np.cumsum([0, *counts]),
            latency=self.latency[chosen],
            network=self.network[chosen],
        )

    def segment(self) -> Tensor:
        """Which record each kernel belongs to, (U,)."""
        counts = torch.from_numpy(np.diff(self.bounds))
        return torch.repeat_interleave(torch.arange(len(self)), counts)


def by_workload(records: Sequence[Record]) -> Index:
    """A number per record (N,), the same for records of the same workload."""
    numbers: dict[str, int] = {}
    return np.array(
        [numbers.setdefault(record.key, len(numbers)) for record in records], dtype=np.int64
    )


def enough(training: Sequence[Record], what: str) -> None:
    """Raises LpnetError where there is too little to learn from, saying what is missing."""
    if len(training) < LEAST_SAMPLES:
        blocks = sum(record.kind == "block" for record in training)
        raise LpnetError(
            f"{what} needs at least {LEAST_SAMPLES} samples to learn from; there are {blocks} "
            f"blocks and {len(training) - blocks} networks that are undisturbed and not held out"
        )
