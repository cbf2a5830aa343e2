"""Samples that a fit without them does not explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lpnet_service.training.headers import new_header
from lpnet_service.training.records import Index, Record, RecordSet, Vector, by_workload
from lpnet_service.training.registry import QUICK_KIND, trainer_of
from lpnet_service.training.threads import one_thread

# Each workload is predicted by a fit to the other three quarters.
_PARTS = 4
# With fewer workloads the fit is too rough to doubt a sample.
MIN_WORKLOADS = 40
# A sample is doubted if it is slower than expected by more than both: so many typical errors of
# its kind, and this relative error. Disturbances only add time. Those that no counter shows add 10
# to 60%.
_TYPICAL_ERRORS = 5.0
_MIN_ERROR = 0.1
# From the median of the absolute errors to the standard deviation of normal ones.
_NORMAL = 1.4826


@dataclass(frozen=True)
class Doubt:
    """A workload whose samples a fit without them does not explain; both in ms."""

    key: str
    measured_ms: float
    predicted_ms: float


def doubted(
    records: Sequence[Record], *, target: str, seed: int, kind: str = QUICK_KIND
) -> list[Doubt]:
    """The workloads to doubt, largest errors first; those of dense and repeated workloads count
    double, since more depends on these.

    Held-out workloads are treated as all others. Empty for fewer than MIN_WORKLOADS.
    """
    workloads = by_workload(records)
    if len(np.unique(workloads)) < MIN_WORKLOADS:
        return []
    predicted = _predicted(records, workloads, target, seed, kind)
    first = [int(np.flatnonzero(workloads == number)[0]) for number in np.unique(workloads)]
    measured = _medians(records, workloads)
    errors = np.log(measured / predicted[first])
    excess = _excess(errors, np.array([records[i].kind == "network" for i in first]))
    dense = np.array([records[i].draw == "dense" for i in first])
    weight = np.where(dense | (np.bincount(workloads) > 1), 2.0, 1.0)
    order = [i for i in np.argsort(-weight * excess, kind="stable").tolist() if excess[i] > 1]
    return [
        Doubt(records[first[i]].key, float(measured[i]), float(predicted[first[i]])) for i in order
    ]


def _predicted(
    records: Sequence[Record], workloads: Index, target: str, seed: int, kind: str
) -> Vector:
    """Latency of each record, ms (N,), by a fit without its workload; NaN where that fit does not
    cover it."""
    trainer = trainer_of(kind)
    part = np.random.default_rng(seed).permutation(workloads.max() + 1)[workloads] % _PARTS
    predicted = np.full(len(records), np.nan)
    for number in range(_PARTS):
        training = RecordSet.of([r for r, p in zip(records, part, strict=True) if p != number])
        header = new_header(training, target, 1, seed, None)
        chosen = [
            i
            for i in np.flatnonzero(part == number).tolist()
            if not header.uncovered(records[i].table, records[i].batch)
        ]
        if not chosen:
            continue
        with one_thread():
            model = trainer.fit(training, header, lambda share, stage: None, quick=True)
            left_out = RecordSet.of([records[i] for i in chosen])
            predicted[chosen] = trainer.predict(model, left_out).ms
    return predicted


def _medians(records: Sequence[Record], workloads: Index) -> Vector:
    latency = np.array([record.latency_ms for record in records])
    return np.array([np.median(latency[workloads == number]) for number in np.unique(workloads)])


def _excess(errors: Vector, network: np.ndarray) -> Vector:
    """Errors over their limit for the kind, (N,); above 1 a workload is doubted."""
    excess = np.zeros(len(errors))
    for of_kind in (network, ~network):
        known = of_kind & ~np.isnan(errors)
        if known.any():
            typical = _NORMAL * float(np.median(np.abs(errors[known])))
            excess[known] = errors[known] / max(_MIN_ERROR, _TYPICAL_ERRORS * typical)
    return excess
