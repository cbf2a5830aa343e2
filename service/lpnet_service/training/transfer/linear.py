"""The new target's log latencies, linear in m and in the weights of h: posterior and variances."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
from scipy.linalg import LinAlgError, cho_factor, cho_solve, cholesky

from lpnet_service.training.op_process.distinct import Matrix
from lpnet_service.training.predictions import Predictions
from lpnet_service.training.records import Index, Vector

# Prior deviations of m: of what is shared by all, by a part of the rooflines, by a type, and by
# neither.
_ALL, _PART, _TYPE, _OWN = 5.0, 0.5, 0.5, 0.3
# Deviations of the prior of logs of variances, and what is tried.
_DEVIATIONS = (2.0, 2.0, 1.5)
_INDEPENDENT = (0.003, 0.01, 0.03, 0.1, 0.3, 0.6, 1.0)
_SMOOTH = (1e-4, 0.003, 0.03, 0.3)
_NOISES = (1 / 16, 1 / 4, 1.0, 4.0, 16.0)
_JITTER = 1e-9


@dataclass(frozen=True)
class Variances:
    """1 - r^2, l^2, and the variance of the noise."""

    independent: float
    smooth: float
    noise: float

    def logs(self) -> Vector:
        return np.log([self.independent, self.smooth, self.noise])


def m_variance(types: int) -> Matrix:
    """The prior covariance of m (3, T), flattened."""
    part, kind = np.eye(3), np.eye(types)
    by_part = np.kron(part, np.ones_like(kind))
    by_type = np.kron(np.ones_like(part), kind)
    own = np.kron(part, kind)
    return np.asarray(
        _ALL**2 + _PART**2 * by_part + _TYPE**2 * by_type + _OWN**2 * own, dtype=np.float64
    )


@dataclass(frozen=True)
class State:
    """Values of m (3, T), flattened, and of the weights (M,)."""

    m: Vector
    weights: Vector

    def towards(self, other: State, size: float) -> State:
        return State(
            self.m + size * (other.m - self.m),
            self.weights + size * (other.weights - self.weights),
        )


@dataclass(frozen=True)
class Linear:
    """`target` (N,) is `by_m @ m + by_weight @ w` plus the noise and a rest of variance `loose`
    (N,).

    `by_m` is (N, 3 T), `by_weight` (N, M). The weights of the source have the `mean` (M,) and the
    covariance `source @ source.T`, those of s the covariance `smooth @ smooth.T`, all (M, M).
    """

    by_m: Matrix
    m_variance: Matrix
    by_weight: Matrix
    target: Vector
    loose: Vector
    mean: Vector
    source: Matrix
    smooth: Matrix

    @cached_property
    def parts(self) -> tuple[Matrix, Matrix, Matrix, Matrix]:
        """Covariances (N, N) from m, g, g' and s."""
        by_source, by_smooth = self.by_weight @ self.source, self.by_weight @ self.smooth
        return (
            self.by_m @ self.m_variance @ self.by_m.T,
            by_source @ by_source.T,
            self.by_weight @ self.by_weight.T,
            by_smooth @ by_smooth.T,
        )

    def covariance(self, variances: Variances, *, known_m: bool = False) -> Matrix:
        by_m, by_source, by_own, by_smooth = self.parts
        independent = variances.independent
        result = (1.0 - independent) * by_source + independent * by_own
        result = result + variances.smooth * by_smooth + np.diag(variances.noise + self.loose)
        return result if known_m else result + by_m

    def rest(self, variances: Variances) -> Vector:
        """What the source leaves to be explained (N,)."""
        return self.target - self.by_weight @ _shrunk(self.mean, variances)

    def solution(self, variances: Variances) -> State:
        """The posterior means."""
        factor = cho_factor(self.covariance(variances), lower=True)
        pull = cho_solve(factor, self.rest(variances))
        m = self.m_variance @ (self.by_m.T @ pull)
        weights = self.prior(variances) @ (self.by_weight.T @ pull)
        return State(m, _shrunk(self.mean, variances) + weights)

    def losses(self, variances: Variances) -> Callable[[Vector, State], float]:
        """Twice the negative log posterior density, up to a constant, of a state that leaves
        errors (N,) of log ms."""
        factor = cho_factor(self.prior(variances), lower=True)
        mean, noise = _shrunk(self.mean, variances), variances.noise + self.loose

        def loss(error: Vector, state: State) -> float:
            off = state.weights - mean
            own = state.m @ np.linalg.solve(self.m_variance, state.m)
            return float((error**2 / noise).sum() + own + off @ cho_solve(factor, off))

        return loss

    def prior(self, variances: Variances) -> Matrix:
        """The prior covariance of the weights (M, M)."""
        own = (1.0 - variances.independent) * self.source @ self.source.T
        own += variances.smooth * self.smooth @ self.smooth.T
        return own + variances.independent * np.eye(len(own))

    def factor(self, variances: Variances) -> Matrix:
        """F (M, M) with F F^T the posterior covariance of the weights, for known m."""
        prior = self.prior(variances)
        gain = prior @ self.by_weight.T
        solver = cho_factor(self.covariance(variances, known_m=True), lower=True)
        posterior = prior - gain @ cho_solve(solver, gain.T)
        return np.asarray(cholesky(posterior + _JITTER * np.eye(len(prior)), lower=True))

    def crossed(self, variances: Variances, fold: Index, log_ms: Vector) -> Predictions:
        """Each record as the other folds predict it, with the variances of all."""
        inverse = np.linalg.inv(self.covariance(variances))
        narrow = np.linalg.inv(self.covariance(variances, known_m=True))
        pull = inverse @ self.rest(variances)
        error, spread = np.empty(len(pull)), np.empty(len(pull))
        for number in np.unique(fold):
            own = np.flatnonzero(fold == number)
            error[own] = np.linalg.solve(inverse[np.ix_(own, own)], pull[own])
            spread[own] = np.sqrt(np.diag(np.linalg.inv(narrow[np.ix_(own, own)])))
        return Predictions(ms=np.exp(log_ms - error), spread=spread)

    def tuned(self, prior: Variances, min_noise: float) -> Variances:
        """The likeliest of a grid; `prior` are the medians of the prior."""

        def surprise(variances: Variances) -> float:
            off = (variances.logs() - prior.logs()) / np.array(_DEVIATIONS)
            return self._surprise(variances) + 0.5 * float(off @ off)

        noises = sorted({max(min_noise, prior.noise * times) for times in _NOISES})
        grid = (Variances(*own) for own in product(_INDEPENDENT, _SMOOTH, noises))
        return min(grid, key=surprise)

    def _surprise(self, variances: Variances) -> float:
        """The negative log likelihood, up to a constant."""
        rest = self.rest(variances)
        try:
            factor = cho_factor(self.covariance(variances), lower=True)
        except LinAlgError:
            return 1e25
        determinant = float(np.log(np.diag(factor[0])).sum())
        return 0.5 * float(rest @ cho_solve(factor, rest)) + determinant


def _shrunk(mean: Vector, variances: Variances) -> Vector:
    return np.asarray(np.sqrt(1.0 - variances.independent) * mean)
