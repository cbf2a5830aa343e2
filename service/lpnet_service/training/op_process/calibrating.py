"""Predictions of records by fits without them, on which an op process is calibrated.

Rooflines and posterior are fitted anew for each fold. Lengths, variances and the inducing kernels
stay, so a fold takes a fraction of a second.
"""

from __future__ import annotations

import numpy as np

from lpnet_service.training.op_process.distinct import DistinctKernels
from lpnet_service.training.op_process.fitting import Fitted, rooflines_of
from lpnet_service.training.op_process.posterior import fit_posterior, linearised, spread_of
from lpnet_service.training.op_process.rooflines import fit_rooflines
from lpnet_service.training.records import Index
from lpnet_service.training.trainer import Predictions

_MIN_WORKLOADS = 8


def cross_predictions(
    fitted: Fitted, kernels: DistinctKernels, workloads: Index, folds: int, seed: int
) -> Predictions:
    """Each record as a fit without its workload predicts it; NaN if there are few workloads."""
    count, distinct = len(kernels.log_ms), int(workloads.max()) + 1
    result = Predictions(np.full(count, np.nan), np.full(count, np.nan))
    if distinct < _MIN_WORKLOADS:
        return result
    fold = (np.random.default_rng(seed).permutation(distinct) % folds)[workloads]
    for number in range(folds):
        rest, own = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
        left_out = _without(fitted, kernels, rest, own)
        result.ms[own], result.spread[own] = left_out.ms, left_out.spread
    return result


def _without(fitted: Fitted, kernels: DistinctKernels, rest: Index, own: Index) -> Predictions:
    """Records `own`, predicted by a fit to the records `rest`."""
    basis, noise = fitted.basis, fitted.process.noise
    rates = fit_rooflines(kernels, rest, fitted.rates.shape[1])
    rooflines, extra = rooflines_of(rates, kernels), fitted.posterior.extra[rest]
    posterior = fit_posterior(kernels, rest, basis, rooflines, noise, extra)
    correction = basis.root @ posterior.weights
    shares, target = linearised(kernels, own, rooflines, correction)
    error = target - shares @ correction
    return Predictions(
        ms=np.exp(kernels.log_ms[own] - error),
        spread=spread_of(posterior, basis, kernels, shares, noise),
    )
