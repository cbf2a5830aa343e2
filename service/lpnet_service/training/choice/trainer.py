"""Trains candidates of several kinds, and keeps the simplest that is as good as the best."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lpnet.model.base import LatencyModel
from lpnet.model.header import Header
from lpnet.model.mixture import Mixture
from lpnet.schemas.report import CandidateErrors
from lpnet_service.training.mixture import MixtureTrainer
from lpnet_service.training.mixture.trainer import Crossed, fit_all, mix
from lpnet_service.training.predictions import Predictions
from lpnet_service.training.records import RecordSet, Vector, by_workload
from lpnet_service.training.trainer import Progress, Trainer

AUTO = "auto"
# The simplest within one standard error of the best is the choice (Breiman et al., Classification
# and regression trees, 1984). The standard error is that of paired differences.
STANDARD_ERRORS = 1.0
# An error counts as this at most, so that a single one does not decide.
MAX_ERROR = 1.0


class AutoTrainer(Trainer[LatencyModel]):
    """Its models are of the kind that cross-validation chooses: one of `candidates`, trainers by
    their kind with the simplest first, or the mixture of them all.

    All are trained on all records; the mixture takes the models of the others. Candidates after
    one that errs no more than measurements do are not trained. The header of the model holds the
    cross-validated errors.
    """

    def __init__(self, candidates: dict[str, Trainer[Any]]) -> None:
        self.candidates = candidates
        mixture = MixtureTrainer(candidates)
        self.trainers: dict[str, Trainer[Any]] = {**candidates, Mixture.kind: mixture}

    def fit(
        self, records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
    ) -> LatencyModel:
        return self.fit_crossed(records, header, progress, quick=quick)[0]

    def fit_crossed(
        self, records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
    ) -> tuple[LatencyModel, Predictions]:
        def is_enough(crossed: Predictions) -> bool:
            floor_pct, known = header.noise_floor_pct, np.isfinite(crossed.ms)
            if floor_pct is None or not known.any():
                return False
            error = _errors(crossed.ms[known], records.latency[known])
            return bool(100.0 * np.median(error) <= floor_pct)

        fitted: dict[str, Crossed] = fit_all(
            self.candidates, records, header, progress, quick, is_enough
        )
        if len(fitted) == len(self.candidates) > 1:
            fitted[Mixture.kind] = mix(fitted, records, header)
        return _chosen(fitted, records)

    def predict(self, model: LatencyModel, records: RecordSet) -> Predictions:
        return self.trainers[model.kind].predict(model, records)


def simplest(errors: Sequence[Vector]) -> int:
    """The first candidate that is not worse than the one with the least mean error.

    `errors` are those of each candidate on the same workloads, (W,). Without any the last
    candidate is the choice.
    """
    if not len(errors[0]):
        return len(errors) - 1
    best = min(range(len(errors)), key=lambda i: float(errors[i].mean()))
    return next(i for i in range(len(errors)) if i == best or not_worse(errors[i], errors[best]))


def not_worse(errors: Vector, best: Vector) -> bool:
    """Whether a mean error exceeds the best by at most STANDARD_ERRORS of the difference."""
    difference = errors - best
    noise = difference.std(ddof=1) / np.sqrt(len(difference)) if len(difference) > 1 else 0.0
    return bool(difference.mean() <= STANDARD_ERRORS * noise)


def _chosen(fitted: Mapping[str, Crossed], records: RecordSet) -> tuple[LatencyModel, Predictions]:
    """The model of the choice, with the errors of all candidates in its header."""
    errors = _by_workload([crossed for _, crossed in fitted.values()], records)
    model, crossed = list(fitted.values())[simplest(errors)]
    candidates = tuple(
        CandidateErrors(
            kind=kind,
            mean_pct=float(100.0 * own.mean()),
            median_pct=float(100.0 * np.median(own)),
        )
        for kind, own in zip(fitted, errors, strict=True)
        if len(own)
    )
    model.header = model.header.model_copy(update={"candidates": candidates})
    return model, crossed


def _by_workload(candidates: Sequence[Predictions], records: RecordSet) -> list[Vector]:
    """Mean errors by workload of each candidate, (W,), where all of them predict."""
    known = np.all([np.isfinite(p.ms) for p in candidates], 0)
    workload = np.unique(by_workload(records.records)[known], return_inverse=True)[1]
    count = np.bincount(workload)
    return [
        np.bincount(workload, _errors(p.ms[known], records.latency[known])) / count
        for p in candidates
    ]


def _errors(ms: Vector, latency: Vector) -> Vector:
    return np.asarray(np.minimum(np.abs(ms / latency - 1.0), MAX_ERROR))
