"""The posterior of g: Gauss-Newton on log ms, with less weight for records that are far off."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.linalg import cho_factor, cho_solve, solve_triangular
from scipy.sparse import csr_matrix, diags

from lpnet_service.training.op_process.distinct import DistinctKernels, Matrix
from lpnet_service.training.op_process.inducing import Basis
from lpnet_service.training.op_process.tuning import Linearised
from lpnet_service.training.records import Index, Vector

_STEPS, _CONVERGED = 8, 1e-3
# The fit begins as if records were this noisy, in variances of log ms: where shares are far off,
# steps that aim at the last percent do not converge.
_TEMPERED = (1e-2, 1e-3, 1e-4, 1e-5)
# Rounds in which outliers are determined.
_ROUNDS = 2
# A record that a fit without it misses by more than so many deviations gets a variance of its own,
# as for errors with a Cauchy distribution. Beyond the second number it has next to no weight.
_OUTLIER, _GROSS = 3.0, 10.0
# No correction is larger than exp(5): it keeps steps of the fit finite.
_MAX_CORRECTION = 5.0


@dataclass(frozen=True)
class Posterior:
    """g is `root @ weights` (M,), with the covariance `factor @ factor.T` (M, M) of the weights.

    `extra` (N,) is the variance of each record that was fitted beyond the noise.
    """

    weights: Vector
    factor: Matrix
    extra: Vector


def linearised(
    kernels: DistinctKernels, rows: Index, rooflines: Vector, correction: Vector
) -> tuple[csr_matrix, Vector]:
    """Shares (N, K) of kernels in the latency of records `rows`, and targets (N,): shares times g
    are the targets to first order. `rooflines` (K,) in ms, `correction` (K,) is the present g."""
    price = rooflines * np.exp(_clipped(correction))
    counts = kernels.counts[rows]
    total = counts @ price
    shares = csr_matrix(diags(1.0 / total) @ counts @ diags(price))
    return shares, kernels.log_ms[rows] - np.log(total) + shares @ correction


def _clipped(correction: Vector) -> Vector:
    return np.clip(correction, -_MAX_CORRECTION, _MAX_CORRECTION)


def fit_posterior(
    kernels: DistinctKernels,
    rows: Index,
    basis: Basis,
    rooflines: Vector,
    noise: float,
    extra: Vector | None = None,
) -> Posterior:
    """The posterior from records `rows`. `extra` (N,) is determined if it is not given."""
    problem = _Problem(kernels, rows, basis, rooflines, noise)
    weights = np.zeros(basis.root.shape[1])
    for variance in _TEMPERED:
        if variance > noise:
            start = variance if extra is None else np.maximum(extra, variance)
            weights = problem.maximum(weights, np.broadcast_to(start, len(rows)), steps=2)
    if extra is None:
        extra = np.zeros(len(rows))
        for _ in range(_ROUNDS):
            weights = problem.maximum(weights, extra)
            extra = problem.outliers(weights, extra)
    weights = problem.maximum(weights, extra)
    lower = problem.normal_equations(weights, extra).factor[0]
    inverse = solve_triangular(lower, np.eye(len(weights)), lower=True)
    return Posterior(weights, inverse.T, extra)


@dataclass(frozen=True)
class _Normal:
    """The normal equations of a Gauss-Newton step."""

    design: Matrix
    target: Vector
    variance: Vector
    factor: tuple[Matrix, bool]

    def solution(self) -> Vector:
        return np.asarray(cho_solve(self.factor, self.design.T @ (self.target / self.variance)))


@dataclass(frozen=True)
class _Problem:
    kernels: DistinctKernels
    rows: Index
    basis: Basis
    rooflines: Vector
    noise: float

    def normal_equations(self, weights: Vector, extra: Vector) -> _Normal:
        correction = self.basis.root @ weights
        shares, target = linearised(self.kernels, self.rows, self.rooflines, correction)
        design = np.asarray(shares @ self.basis.root)
        variance = self.noise + extra + shares.multiply(shares) @ self.basis.loose
        information = design.T @ (design / variance[:, None]) + np.eye(len(weights))
        return _Normal(design, target, variance, cho_factor(information, lower=True))

    def maximum(self, weights: Vector, extra: Vector, steps: int = _STEPS) -> Vector:
        """Gauss-Newton from `weights`, with steps that never lower the posterior density."""
        for _ in range(steps):
            normal = self.normal_equations(weights, extra)
            change = normal.solution() - weights
            before, size = self._loss(weights, normal.variance), 1.0
            while self._loss(weights + size * change, normal.variance) > before and size > 1e-3:
                size /= 2.0
            weights = weights + size * change
            if np.abs(size * change).max(initial=0.0) < _CONVERGED:
                break
        return weights

    def _loss(self, weights: Vector, variance: Vector) -> float:
        price = self.rooflines * np.exp(_clipped(self.basis.root @ weights))
        error = self.kernels.log_ms[self.rows] - np.log(self.kernels.counts[self.rows] @ price)
        return float((error**2 / variance).sum() + weights @ weights)

    def outliers(self, weights: Vector, extra: Vector) -> Vector:
        """The variance of records (N,) beyond the noise, from their errors when left out."""
        normal = self.normal_equations(weights, extra)
        leverage = (normal.design * cho_solve(normal.factor, normal.design.T).T).sum(1)
        rest = np.maximum(1.0 - leverage / normal.variance, 1e-6)
        error = np.abs(normal.target - normal.design @ normal.solution()) / rest
        # What a record without extra variance would be off by.
        expected = np.sqrt(np.maximum(normal.variance / rest - extra, self.noise))
        deviations = error / expected
        variance = (error / _OUTLIER * np.maximum(1.0, deviations / _GROSS)) ** 2
        return np.where(deviations > _OUTLIER, variance, 0.0)


def linearised_data(
    kernels: DistinctKernels,
    rows: Index,
    points: Matrix,
    rooflines: Vector,
    correction: Vector,
    extra: Vector,
) -> Linearised:
    shares, target = linearised(kernels, rows, rooflines, correction)
    return Linearised(points, kernels.types, shares, target, extra)


def spread_of(
    posterior: Posterior,
    basis: Basis,
    kernels: DistinctKernels,
    shares: csr_matrix,
    noise: float,
) -> Vector:
    """Deviation (N,) of log ms of records with these shares, as a bound model computes it."""
    variance = noise + (((shares @ basis.root) @ posterior.factor) ** 2).sum(1)
    loose = np.sqrt(basis.loose)
    for part in kernels.by_type():
        variance += (shares[:, part] @ loose[part]) ** 2
    return np.asarray(np.sqrt(variance))
