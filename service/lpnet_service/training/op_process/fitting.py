"""Fitting an op process: rooflines, then tuning and the posterior in turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lpnet.model.op_process.columns import feature_scales
from lpnet_service.training.op_process.distinct import DistinctKernels, Matrix, Scaling, scaling
from lpnet_service.training.op_process.inducing import Basis, choose
from lpnet_service.training.op_process.posterior import (
    Posterior,
    fit_posterior,
    linearised_data,
)
from lpnet_service.training.op_process.rooflines import fit_rooflines
from lpnet_service.training.op_process.tuning import Linearised, Process, tune
from lpnet_service.training.records import Index, Vector

# Where tuning starts and is drawn to: lengths, in deviations of a feature.
_LENGTH = 8.0
_NOISE = 1e-4
# The noise is at least this, and the floor of the target where it is measured.
MIN_NOISE = 4e-6
# A row that the rooflines miss by this factor is wrong: in seconds instead of milliseconds, say.
_GROSS = np.log(20.0)


@dataclass(frozen=True)
class FitSettings:
    """Inducing kernels; records, and pairs of kernels, that are tuned on; evaluations in each
    round of tuning; folds of the calibration. These tune anew with at most `fold_records` records,
    and `fold_evaluations` in each round."""

    inducing: int = 640
    tuned: int = 500
    pairs: int = 4_000_000
    evaluations: tuple[int, ...] = (60, 40)
    folds: int = 5
    fold_records: int = 600
    fold_evaluations: tuple[int, ...] = (25, 15)


FULL = FitSettings()
QUICK = FitSettings(
    inducing=192, tuned=120, pairs=300_000, evaluations=(20, 10), folds=3, fold_records=0
)


@dataclass(frozen=True)
class Fitted:
    """`rates` (3, T), the process over scaled features, and its posterior from some records."""

    rates: Matrix
    scaling: Scaling
    process: Process
    basis: Basis
    posterior: Posterior


def fit(
    kernels: DistinctKernels,
    types: int,
    seed: int,
    noise_floor_pct: float | None,
    settings: FitSettings,
    progress: Callable[[float], None],
    rows: Index | None = None,
) -> Fitted:
    """Fits to the records `rows` (N,), or to all."""
    if rows is None:
        rows = np.arange(len(kernels.log_ms))
    rates = fit_rooflines(kernels, rows, types)
    rooflines = rooflines_of(rates, kernels)
    scales = scaling(kernels)
    points = scales.of(kernels.features)
    off = kernels.log_ms[rows] - np.log(kernels.counts[rows] @ rooflines)
    # Rows that are grossly wrong must not bend even the first round.
    extra = np.where(np.abs(off) > _GROSS, off**2, 0.0)
    correction = np.zeros(len(kernels))
    min_noise = max(MIN_NOISE, (noise_floor_pct or 0.0) ** 2 / 1e4)
    order = np.random.default_rng(seed).permutation(len(rows))
    process = prior = _prior(kernels.static, scales, off, types, min_noise)
    for turn, evaluations in enumerate(settings.evaluations):
        data = linearised_data(kernels, rows, points, rooflines, correction, extra)
        part = _affordable(data, order[: settings.tuned], settings.pairs)
        process = tune(part, prior, process, min_noise, evaluations)
        importance = np.asarray(data.shares.multiply(data.shares).sum(0)).ravel()
        basis = choose(points, kernels.types, importance, process, settings.inducing)
        posterior = fit_posterior(kernels, rows, basis, rooflines, process.noise)
        correction, extra = basis.root @ posterior.weights, posterior.extra
        progress((turn + 1) / len(settings.evaluations))
    return Fitted(rates, scales, process, basis, posterior)


def rooflines_of(rates: Matrix, kernels: DistinctKernels) -> Vector:
    """Milliseconds (K,) of kernels by the rates (3, T) of their types."""
    return np.asarray((rates[:, kernels.types] * kernels.work).sum(0))


def _prior(static: int, scales: Scaling, off: Vector, types: int, min_noise: float) -> Process:
    """`off` (N,) are the errors of the rooflines in logs."""
    spread = 1.4826 * float(np.median(np.abs(off - np.median(off))))
    relevance = feature_scales(static).numpy()[scales.columns]
    variance = np.full(types, np.clip(2.0 * spread**2, 1e-3, 1.0))
    return Process(_LENGTH / relevance.astype(float), variance, max(_NOISE, 2 * min_noise))


def _affordable(data: Linearised, rows: Index, pairs: int) -> Linearised:
    """The first of `rows` whose kernels make no more than `pairs` pairs of one type."""
    count = len(rows)
    while True:
        part = data.part(rows[:count])
        cost = int((np.unique(part.types, return_counts=True)[1] ** 2).sum())
        if cost <= pairs or count <= 8:
            return part
        count = max(8, min(count - 1, int(0.9 * count * np.sqrt(pairs / cost))))
