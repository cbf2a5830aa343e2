"""Lengths, variances and noise of an op process, by their marginal likelihood.

With shares S (N, K) of the kernels in the latency of their record, log ms is linear in g to first
order, so its covariance is S k S^T plus the noise.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve
from scipy.optimize import minimize
from scipy.sparse import csr_matrix

from lpnet_service.training.op_process.distinct import Matrix
from lpnet_service.training.records import Index, Vector

# Bounds of lengths, in deviations of a feature, and of variances of log ms.
_LENGTHS = (0.05, 1e3)
_VARIANCES = (1e-6, 4.0)
_MAX_NOISE = 0.25
# Deviations of the priors, in logs.
_LENGTH_DEVIATION, _VARIANCE_DEVIATION, _NOISE_DEVIATION = 3.0, 1.0, 3.0


@dataclass(frozen=True)
class Process:
    """`lengths` (D,), prior `variance` (T,) of g by type, and the variance of the noise."""

    lengths: Vector
    variance: Vector
    noise: float


@dataclass(frozen=True)
class Linearised:
    """N records whose `target` (N,) is `shares @ g` plus noise; kernels `points` (K, D) of `types`
    (K,). `extra` (N,) is variance of single records beyond the noise."""

    points: Matrix
    types: Index
    shares: csr_matrix
    target: Vector
    extra: Vector

    def part(self, rows: Index) -> Linearised:
        """Some records, and the kernels that they have."""
        shares = self.shares[rows]
        used = np.flatnonzero(np.asarray(shares.sum(0)).ravel() > 0)
        return Linearised(
            self.points[used],
            self.types[used],
            shares[:, used],
            self.target[rows],
            self.extra[rows],
        )


def tune(
    data: Linearised, prior: Process, start: Process, min_noise: float, evaluations: int
) -> Process:
    """Maximum a posteriori, by L-BFGS."""
    objective = _Objective(data, prior)
    low = np.log([_LENGTHS[0], _VARIANCES[0], min_noise])
    high = np.log([_LENGTHS[1], _VARIANCES[1], max(_MAX_NOISE, 2 * min_noise)])
    sizes = objective.sizes
    result = minimize(
        objective,
        np.clip(objective.pack(start), np.repeat(low, sizes), np.repeat(high, sizes)),
        jac=True,
        method="L-BFGS-B",
        bounds=np.stack((np.repeat(low, sizes), np.repeat(high, sizes)), 1),
        options={"maxfun": evaluations},
    )
    return objective.unpack(result.x, start)


class _Objective:
    """The negative log posterior of log lengths, log variances and log noise, and its gradient."""

    def __init__(self, data: Linearised, prior: Process) -> None:
        self.target, self.extra = data.target, data.extra
        self.present = np.unique(data.types)
        members = [np.flatnonzero(data.types == number) for number in self.present]
        self.points = [data.points[own] for own in members]
        self.shares = [csr_matrix(data.shares[:, own]) for own in members]
        self.sizes = (data.points.shape[1], len(self.present), 1)
        self.prior = self.pack(prior)
        deviations = (_LENGTH_DEVIATION, _VARIANCE_DEVIATION, _NOISE_DEVIATION)
        self.deviation = np.repeat(deviations, self.sizes)

    def pack(self, process: Process) -> Vector:
        variance = process.variance[self.present]
        return np.log(np.concatenate((process.lengths, variance, [process.noise])))

    def unpack(self, theta: Vector, start: Process) -> Process:
        """Types that are not present keep the variance that they start with."""
        dims = self.sizes[0]
        variance = start.variance.copy()
        variance[self.present] = np.exp(theta[dims:-1])
        return Process(np.exp(theta[:dims]), variance, float(np.exp(theta[-1])))

    def __call__(self, theta: Vector) -> tuple[float, Vector]:
        dims, noise = self.sizes[0], np.exp(theta[-1])
        scaled = [points / np.exp(theta[:dims]) for points in self.points]
        decays = [_decays(points) for points in scaled]
        covariance = np.diag(noise + self.extra)
        parts = []
        for variance, shares, (correlation, _) in zip(
            np.exp(theta[dims:-1]), self.shares, decays, strict=True
        ):
            parts.append(variance * np.asarray(shares @ (shares @ correlation).T))
            covariance += parts[-1]
        try:
            factor = cho_factor(covariance, lower=True)
        except LinAlgError:
            return 1e25, np.zeros_like(theta)
        solved = cho_solve(factor, self.target)
        weight = np.outer(solved, solved) - cho_solve(factor, np.eye(len(solved)))
        by_length = np.zeros(dims)
        by_variance = np.zeros(len(parts))
        for i, (points, shares, (_, decay)) in enumerate(
            zip(scaled, self.shares, decays, strict=True)
        ):
            by_variance[i] = 0.5 * (weight * parts[i]).sum()
            pairs = np.asarray(shares.T @ (shares.T @ weight).T) * decay
            moved = pairs.sum(1) @ points**2 - np.einsum("kd,kd->d", points, pairs @ points)
            by_length += 3.0 * np.exp(theta[dims + i]) * moved
        gradient = np.concatenate((by_length, by_variance, [0.5 * noise * np.trace(weight)]))
        off = (theta - self.prior) / self.deviation
        value = 0.5 * self.target @ solved + np.log(np.diag(factor[0])).sum()
        return float(value + 0.5 * off @ off), off / self.deviation - gradient


def _decays(points: Matrix) -> tuple[Matrix, Matrix]:
    """Correlations (K, K) of points, and exp(-d), from which their slopes follow."""
    length = (points**2).sum(1)
    squared = length[:, None] + length - 2.0 * points @ points.T
    distance = np.sqrt(3.0 * np.maximum(squared, 0.0))
    decay = np.exp(-distance)
    return (1.0 + distance) * decay, decay
