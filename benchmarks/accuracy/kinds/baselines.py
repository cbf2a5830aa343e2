"""Linear baselines on FLOPs and bytes, fitted to the records that the LPNet is trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch

from lpnet_service.training.baselines.flops import flops
from lpnet_service.training.ensemble.inputs import KernelInputs
from lpnet_service.training.records import Record, RecordSet, Vector

Columns = Callable[[Sequence[Record]], Vector]


def predictions(training: Sequence[Record], test: Sequence[Record]) -> dict[str, Vector]:
    """Predicted ms (N,) of the test records by each baseline; NaN where too few were trained on.

    Blocks and networks have fits of their own. `flops` and `flops_bytes` are one fit over all
    spaces, `flops_per_space` is a fit for each.
    """
    return {
        "flops": _grouped(training, test, _flops, _kind),
        "flops_bytes": _grouped(training, test, _flops_and_bytes, _kind),
        "flops_per_space": _grouped(training, test, _flops, lambda r: (r.kind, r.space)),
    }


def moved_bytes(records: Sequence[Record]) -> Vector:
    """Bytes (N,) that the kernels of each record read and write, as the LPNet counts them."""
    inputs = KernelInputs.of(RecordSet.of(records))
    total = torch.zeros(len(inputs), dtype=torch.float64)
    return np.asarray(total.index_add(0, inputs.segment(), inputs.logs[1].exp()).numpy())


def _kind(record: Record) -> object:
    return record.kind


def _flops(records: Sequence[Record]) -> Vector:
    return np.array([[flops(record)] for record in records])


def _flops_and_bytes(records: Sequence[Record]) -> Vector:
    return np.concatenate((_flops(records), moved_bytes(records)[:, None]), 1)


def _grouped(
    training: Sequence[Record],
    test: Sequence[Record],
    columns: Columns,
    group: Callable[[Record], object],
) -> Vector:
    predicted = np.full(len(test), np.nan)
    for name in dict.fromkeys(group(record) for record in test):
        own = [record for record in training if group(record) == name]
        indices = [i for i, record in enumerate(test) if group(record) == name]
        if own:
            latency = np.array([record.latency_ms for record in own])
            values = columns([test[i] for i in indices])
            predicted[indices] = linear(columns(own), latency, values)
    return predicted


def linear(columns: Vector, latency: Vector, test: Vector) -> Vector:
    """Least squares on the relative error of a constant and columns (N, K), at test (M, K); NaN
    for fewer samples than coefficients."""
    if len(latency) < columns.shape[1] + 1:
        return np.full(len(test), np.nan)
    unit = np.maximum(columns.max(0), 1e-30)
    design = np.concatenate((columns / unit, np.ones((len(columns), 1))), 1)
    weights = np.linalg.lstsq(design / latency[:, None], np.ones(len(latency)), rcond=None)[0]
    return np.asarray(np.concatenate((test / unit, np.ones((len(test), 1))), 1) @ weights)
