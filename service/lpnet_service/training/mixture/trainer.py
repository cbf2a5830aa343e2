"""The trainer of mixtures: trains every component, and weighs them by cross-validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from lpnet.model.base import LatencyModel
from lpnet.model.header import Header
from lpnet.model.mixture import Mixture, MixtureHeader
from lpnet.model.mixture.bound import mixture_spread, weighted
from lpnet_service.training.conformal import calibration
from lpnet_service.training.mixture.weights import best_weights, cross_weighted
from lpnet_service.training.predictions import Predictions
from lpnet_service.training.records import RecordSet, Vector, by_workload
from lpnet_service.training.trainer import Progress, Trainer

MIN_SPREAD = 0.002
# From the median of the absolute errors to the standard deviation of normal ones.
_NORMAL = 1.4826
_SCALES = (0.2, 5.0)

Crossed = tuple[LatencyModel, Predictions]


class MixtureTrainer(Trainer[Mixture]):
    """Mixes the models of `components`, trainers by their kind."""

    def __init__(self, components: dict[str, Trainer[Any]]) -> None:
        self.components = components

    def fit(
        self, records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
    ) -> Mixture:
        return self.fit_crossed(records, header, progress, quick=quick)[0]

    def fit_crossed(
        self, records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
    ) -> tuple[Mixture, Predictions]:
        return mix(fit_all(self.components, records, header, progress, quick), records, header)

    def predict(self, model: Mixture, records: RecordSet) -> Predictions:
        parts = [
            self.components[part.kind].predict(own, records)
            for part, own in zip(model.header.parts, model.parts, strict=True)
        ]
        return _mixed(model.header, parts)


def fit_all(
    trainers: dict[str, Trainer[Any]],
    records: RecordSet,
    header: Header,
    progress: Progress,
    quick: bool,
    is_enough: Callable[[Predictions], bool] = lambda crossed: False,
) -> dict[str, Crossed]:
    """A model of each kind, with its cross-validated predictions.

    Kinds after one whose predictions are enough are left out.
    """
    fitted: dict[str, Crossed] = {}
    for number, (kind, trainer) in enumerate(trainers.items()):

        def fitting(share: float, stage: str, number: int = number) -> None:
            progress((number + share) / len(trainers), stage)

        fitted[kind] = trainer.fit_crossed(records, header, fitting, quick=quick)
        if is_enough(fitted[kind][1]):
            break
    return fitted


def mix(
    fitted: dict[str, Crossed], records: RecordSet, header: Header
) -> tuple[Mixture, Predictions]:
    """A calibrated mixture of fitted models, and its own cross-validated predictions."""
    crossed = [predictions for _, predictions in fitted.values()]
    known = np.all([np.isfinite(p.ms) for p in crossed], 0)
    ms, latency = np.stack([p.ms[known] for p in crossed]), records.latency[known]
    scales = [_scale(p.ms[known], p.spread[known], latency) for p in crossed]
    models = [model for model, _ in fitted.values()]
    weights = best_weights(ms, latency).tolist()
    own = header.model_copy(update={"base_spread": MIN_SPREAD})
    mixture = Mixture.of(models, weights, scales, own)
    mixed = _mixed(mixture.header, crossed)
    half = by_workload(records.records) % 2 == 0
    mixed.ms[known] = cross_weighted(ms, latency, half[known])
    error = np.abs(np.log(records.latency / mixed.ms))
    factors = calibration(error / mixed.spread, known, records.network)
    mixture.header = mixture.header.model_copy(update={"calibration": factors})
    return mixture, mixed


def _mixed(header: MixtureHeader, parts: Sequence[Predictions]) -> Predictions:
    ms = [torch.from_numpy(part.ms) for part in parts]
    spreads = [torch.from_numpy(part.spread) for part in parts]
    return Predictions(
        ms=weighted(header.parts, ms).numpy(),
        spread=mixture_spread(header, ms, spreads).numpy(),
    )


def _scale(ms: Vector, spread: Vector, latency: Vector) -> float:
    """How many times its spread a component typically errs."""
    if not len(ms):
        return 1.0
    typical = _NORMAL * float(np.median(np.abs(np.log(latency / ms)) / spread))
    return float(np.clip(typical, *_SCALES))
