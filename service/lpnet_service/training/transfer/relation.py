"""How a new target differs from a source, and the op process of the new target.

    price = (a exp(m_1) FLOPs + b exp(m_2) bytes + c exp(m_3)) exp(h(x))

a, b and c are the rates of the source. m says by how much the new target is slower: in computing,
in moving data, and for each kernel, by type of kernel. h is a Gaussian process that is related to
g, the correction of the source:

    h = r g + sqrt(1 - r^2) g' + l s

g' has the prior of g and is independent of it, so r is the correlation of the two targets
(Bonilla et al., Multi-task Gaussian process prediction, 2007). s is smooth: its lengths are those
of g times SMOOTHER. With g as the source's samples leave it, h is again values at the inducing
kernels, so the result is an op process like any other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix

from lpnet_service.training.op_process.distinct import Matrix
from lpnet_service.training.op_process.fitting import Fitted
from lpnet_service.training.op_process.inducing import Basis
from lpnet_service.training.op_process.posterior import Posterior, linearised
from lpnet_service.training.op_process.tuning import Process
from lpnet_service.training.predictions import Predictions
from lpnet_service.training.records import Index, Vector
from lpnet_service.training.transfer.linear import Linear, State, Variances, m_variance
from lpnet_service.training.transfer.sources import JointFit

SMOOTHER = 4.0
# Medians of the prior of 1 - r^2 and l^2. That of the noise is the source's.
_INDEPENDENT, _SMOOTH = 0.1, 0.03
# The fit begins as if records were this noisy, in variances of log ms, so that steps converge.
_TEMPERED = (1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4)
# Steps of the fit, and those in which the variances are determined.
_STEPS, _TUNED = 9, (0, 3, 6)
_SIZES = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01)


@dataclass(frozen=True)
class Related:
    """The op process of a new target, with predictions of its records by fits without them."""

    fitted: Fitted
    variances: Variances
    crossed: Predictions


def relate(joint: JointFit, fold: Index, min_noise: float) -> Related:
    """`fold` (N,) numbers the parts of the records that are predicted by the others."""
    source, smooth = joint.fitted, _smooth_factor(joint.fitted.basis, joint.fitted.process)
    prior = Variances(_INDEPENDENT, _SMOOTH, max(min_noise, source.process.noise))
    variances = prior
    state = State(_same_but_slower(joint), source.posterior.weights)
    for noise in _TEMPERED:
        linear = _linear(joint, smooth, state)
        state = _improved(joint, linear, state, replace(prior, noise=max(noise, prior.noise)))
    for step in range(_STEPS):
        linear = _linear(joint, smooth, state)
        if step in _TUNED:
            variances = linear.tuned(prior, min_noise)
        state = _improved(joint, linear, state, variances)
    linear = _linear(joint, smooth, state)
    fitted = Fitted(
        rates=_rates(joint, state.m),
        scaling=source.scaling,
        process=Process(source.process.lengths, source.process.variance, variances.noise),
        basis=source.basis,
        posterior=Posterior(state.weights, linear.factor(variances), np.zeros(len(joint.rows))),
    )
    crossed = linear.crossed(variances, fold, joint.kernels.log_ms[joint.rows])
    return Related(fitted, variances, crossed)


def _same_but_slower(joint: JointFit) -> Vector:
    """m if the new target is slower by a factor, and nothing else."""
    same = State(np.zeros(joint.fitted.rates.size), joint.fitted.posterior.weights)
    return np.full(joint.fitted.rates.size, np.median(_errors(joint, same)))


def _improved(joint: JointFit, linear: Linear, state: State, variances: Variances) -> State:
    """The state after a step of Gauss-Newton, shortened until the posterior density grows."""
    aim, loss = linear.solution(variances), linear.losses(variances)
    now = loss(_errors(joint, state), state)
    for size in _SIZES:
        moved = state.towards(aim, size)
        if loss(_errors(joint, moved), moved) <= now:
            return moved
    return state


def _errors(joint: JointFit, state: State) -> Vector:
    """The errors (N,) of log ms."""
    correction = joint.fitted.basis.root @ state.weights
    price = _rooflines(joint, state.m).sum(0) * np.exp(correction)
    ms = joint.kernels.counts[joint.rows] @ price
    return np.asarray(joint.kernels.log_ms[joint.rows] - np.log(ms))


def _linear(joint: JointFit, smooth: Matrix, state: State) -> Linear:
    m, weights = state.m, state.weights
    source, parts = joint.fitted, _rooflines(joint, m)
    rooflines, root = parts.sum(0), source.basis.root
    shares, target = linearised(joint.kernels, joint.rows, rooflines, root @ weights)
    by_m = _by_type(joint, np.asarray(parts / rooflines), shares)
    return Linear(
        by_m=by_m,
        m_variance=m_variance(source.rates.shape[1]),
        by_weight=np.asarray(shares @ root),
        target=target + by_m @ m,
        loose=np.asarray(shares.multiply(shares) @ source.basis.loose).ravel(),
        mean=source.posterior.weights,
        source=source.posterior.factor,
        smooth=smooth,
    )


def _rooflines(joint: JointFit, m: Vector) -> Matrix:
    """The parts of the rooflines in ms (3, K): for FLOPs, for bytes, and for each kernel."""
    return np.asarray(_rates(joint, m)[:, joint.kernels.types] * joint.kernels.work)


def _rates(joint: JointFit, m: Vector) -> Matrix:
    source = joint.fitted.rates
    return np.asarray(source * np.exp(m).reshape(source.shape))


def _by_type(joint: JointFit, parts: Matrix, shares: csr_matrix) -> Matrix:
    """How log ms grow with m (N, 3 T), for shares (N, K) and parts of rooflines (3, K)."""
    result = np.zeros((shares.shape[0], *joint.fitted.rates.shape))
    for own in joint.kernels.by_type():
        result[:, :, joint.kernels.types[own.start]] = shares[:, own] @ parts[:, own].T
    return result.reshape(len(result), -1)


def _smooth_factor(basis: Basis, process: Process) -> Matrix:
    """F (M, M): F F^T is the covariance of the weights of a smooth process with variance 1."""
    squared = ((basis.points[:, None] - basis.points) ** 2).sum(-1)
    distance = np.sqrt(3.0 * squared) / SMOOTHER
    correlation = (1.0 + distance) * np.exp(-distance)
    correlation *= basis.types[:, None] == basis.types
    values, vectors = np.linalg.eigh(correlation)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    return np.asarray((basis.inverse / np.sqrt(process.variance[basis.types])) @ root)
