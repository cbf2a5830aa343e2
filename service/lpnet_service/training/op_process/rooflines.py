"""Rooflines: ms per FLOP, per byte and per kernel, for each type of kernel."""

from __future__ import annotations

import numpy as np
from scipy.optimize import nnls

from lpnet_service.training.op_process.distinct import DistinctKernels, Matrix
from lpnet_service.training.records import Vector

# Steps of the fit, and the largest change of a log latency in a step.
_STEPS, _MAX_CHANGE = 12, 1.0
# How strongly the rates of a type are drawn to those that all types share, per record.
_PRIOR = 1e-4
# A type is at least this much of the shared rates, so that every kernel has a positive price.
_MIN_SHARE = 1e-3
# Errors beyond so many deviations lose weight.
_TOLERANCE = 3.0


def fit_rooflines(kernels: DistinctKernels, rows: np.ndarray, types: int) -> Matrix:
    """Rates (3, types) that are not negative, from records `rows`: least squares on the error of
    log ms, with less weight for records that are far off."""
    counts, log_ms = kernels.counts[rows], kernels.log_ms[rows]
    work = np.zeros((3, types, len(rows)))
    for part in kernels.by_type():
        work[:, kernels.types[part.start]] = (counts[:, part] @ kernels.work[:, part].T).T
    shared_work = work.sum(1)
    start = np.median(np.exp(log_ms) / shared_work, axis=1) / 3.0
    shared = _fit(shared_work.T, log_ms, start, 1e-3)
    shared = np.maximum(shared, _MIN_SHARE * start)
    prior = np.repeat(shared[:, None], types, 1)
    rates = _fit(work.reshape(3 * types, -1).T, log_ms, prior.ravel(), _PRIOR)
    return np.maximum(rates.reshape(3, types), _MIN_SHARE * prior)


def _fit(columns: Matrix, log_ms: Vector, prior: Vector, strength: float) -> Vector:
    """Gauss-Newton on log ms; `columns` is (N, C), `prior` (C,) where it starts."""
    rates = prior
    present = columns.any(0)
    for _ in range(_STEPS):
        predicted = columns @ rates
        change = log_ms - np.log(predicted)
        weight = np.sqrt(_weights(change))
        relative = columns[:, present] / predicted[:, None]
        target = 1.0 + np.clip(change, -_MAX_CHANGE, _MAX_CHANGE)
        unit = np.sqrt((relative**2).mean(0))
        penalty = np.diag(np.full(len(unit), np.sqrt(strength * len(log_ms))))
        design = np.concatenate((relative / unit * weight[:, None], penalty))
        ends = np.concatenate((target * weight, penalty @ (prior[present] * unit)))
        solution, _ = nnls(design, ends, maxiter=50 * len(unit))
        rates = prior.copy()
        rates[present] = np.maximum(solution / unit, _MIN_SHARE * prior[present])
    return rates


def _weights(error: Vector) -> Vector:
    """Weights of a Cauchy distribution, by the median of the absolute errors."""
    scale = _TOLERANCE * max(1.4826 * float(np.median(np.abs(error))), 0.02)
    return np.asarray(1.0 / (1.0 + (error / scale) ** 2))
