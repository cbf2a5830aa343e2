"""Predictions of records by fits without them, on which an op process is calibrated.

With few records, the lengths, variances and inducing kernels of a fold are tuned without its
records, too: tuned on all, they fit what is left out. With many that makes little difference and
takes too long. Spreads are always those of the process that was tuned on all records, since they
are what the model has.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lpnet_service.training.op_process.distinct import DistinctKernels
from lpnet_service.training.op_process.fitting import FitSettings, Fitted, fit, rooflines_of
from lpnet_service.training.op_process.posterior import fit_posterior, linearised, spread_of
from lpnet_service.training.op_process.rooflines import fit_rooflines
from lpnet_service.training.records import Index
from lpnet_service.training.trainer import Predictions

_MIN_WORKLOADS = 8


def cross_predictions(
    fitted: Fitted,
    kernels: DistinctKernels,
    workloads: Index,
    seed: int,
    noise_floor_pct: float | None,
    settings: FitSettings,
) -> Predictions:
    """Each record as a fit without its workload predicts it; NaN if there are few workloads."""
    count, distinct = len(kernels.log_ms), int(workloads.max()) + 1
    result = Predictions(np.full(count, np.nan), np.full(count, np.nan))
    if distinct < _MIN_WORKLOADS:
        return result
    types = fitted.rates.shape[1]
    tuning = replace(settings, evaluations=settings.fold_evaluations)
    fold = (np.random.default_rng(seed).permutation(distinct) % settings.folds)[workloads]
    for number in range(settings.folds):
        rest, own = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        left_out = _predicted(_refitted(fitted, kernels, rest), kernels, own)
        result.ms[own], result.spread[own] = left_out.ms, left_out.spread
        if count <= settings.fold_records:
            without = fit(kernels, types, seed, noise_floor_pct, tuning, lambda share: None, rest)
            result.ms[own] = _predicted(without, kernels, own).ms
    return result


def _refitted(fitted: Fitted, kernels: DistinctKernels, rest: Index) -> Fitted:
    """Rooflines and posterior of the records `rest`, with the same process."""
    rates = fit_rooflines(kernels, rest, fitted.rates.shape[1])
    rooflines, extra = rooflines_of(rates, kernels), fitted.posterior.extra[rest]
    noise = fitted.process.noise
    posterior = fit_posterior(kernels, rest, fitted.basis, rooflines, noise, extra)
    return replace(fitted, rates=rates, posterior=posterior)


def _predicted(fitted: Fitted, kernels: DistinctKernels, own: Index) -> Predictions:
    correction = fitted.basis.root @ fitted.posterior.weights
    shares, target = linearised(kernels, own, rooflines_of(fitted.rates, kernels), correction)
    error = target - shares @ correction
    return Predictions(
        ms=np.exp(kernels.log_ms[own] - error),
        spread=spread_of(fitted.posterior, fitted.basis, kernels, shares, fitted.process.noise),
    )
