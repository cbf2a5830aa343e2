"""Predictions of records by fits without their workload: cross-validation in folds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lpnet.model.header import Header
from lpnet_service.training.headers import new_header
from lpnet_service.training.predictions import Predictions
from lpnet_service.training.records import MIN_SAMPLES, Index, RecordSet, by_workload

if TYPE_CHECKING:
    from lpnet_service.training.trainer import Progress, Trainer

FOLDS = 3


def cross_predictions(
    trainer: Trainer[Any], records: RecordSet, header: Header, progress: Progress, *, quick: bool
) -> Predictions:
    """Each record as a fit without its workload predicts it.

    NaN where that fit does not cover it, and everywhere if there are too few workloads.
    """
    fold = _folds(by_workload(records.records), header.seed)
    unknown = np.full(len(records), np.nan)
    result = Predictions(unknown, unknown.copy())
    if len(np.unique(fold)) < FOLDS or len(records) < FOLDS * MIN_SAMPLES:
        return result
    for number in range(FOLDS):
        training = RecordSet.of([records.records[i] for i in np.flatnonzero(fold != number)])
        own = new_header(training, header.target, 1, header.seed, header.noise_floor_pct)
        chosen = [
            i
            for i in np.flatnonzero(fold == number).tolist()
            if not own.uncovered(records.records[i].table, records.records[i].batch)
        ]
        if not chosen:
            continue

        def fitting(share: float, stage: str, number: int = number) -> None:
            progress((number + share) / FOLDS, "cross-validating")

        model = trainer.fit(training, own, fitting, quick=quick)
        predicted = trainer.predict(model, RecordSet.of([records.records[i] for i in chosen]))
        result.ms[chosen], result.spread[chosen] = predicted.ms, predicted.spread
    return result


def _folds(workloads: Index, seed: int) -> Index:
    """A fold for each record (N,), the same for records of the same workload."""
    order = np.random.default_rng(seed).permutation(workloads.max() + 1)
    return np.asarray(order[workloads] % FOLDS)
