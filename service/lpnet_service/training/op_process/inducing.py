"""Inducing kernels: a pivoted Cholesky factorisation of the kernels' covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from lpnet.model.op_process.matern import correlations, inverse_root
from lpnet_service.training.op_process.distinct import Matrix
from lpnet_service.training.op_process.tuning import Process
from lpnet_service.training.records import Index, Vector

# A kernel that the others explain up to this share of its variance adds nothing but rounding.
_MIN_PIVOT = 1e-4


@dataclass(frozen=True)
class Basis:
    """M inducing kernels, and what they say of K kernels.

    `points` (M, D) in features whose lengths are 1, `types` (M,); `inverse` (M, M) is W with W^T W
    the inverse of their correlations. g is `root` (K, M) times independent standard normals, plus
    an independent rest of variance `loose` (K,).
    """

    points: Matrix
    types: Index
    inverse: Matrix
    root: Matrix
    loose: Vector


def choose(
    points: Matrix, types: Index, importance: Vector, process: Process, limit: int
) -> Basis:
    """At most `limit` of the kernels `points` (K, D), in units of the features.

    The next one is that whose unexplained variance, times `importance` (K,), is largest.
    """
    scaled = (points / process.lengths).astype(np.float32).astype(np.float64)
    variance = process.variance[types]
    chosen = _pivots(scaled, types, importance * variance, limit)
    chosen = chosen[np.argsort(types[chosen], kind="stable")]
    inducing, own = torch.from_numpy(scaled[chosen]), torch.from_numpy(types[chosen])
    inverse = inverse_root(inducing, own)
    near = _correlations(scaled, types, scaled[chosen], types[chosen])
    whitened = near @ inverse.numpy().T
    loose = variance * np.maximum(1.0 - (whitened**2).sum(1), 0.0)
    root = whitened * np.sqrt(variance)[:, None]
    return Basis(scaled[chosen], types[chosen], inverse.numpy(), root, loose)


def _pivots(scaled: Matrix, types: Index, importance: Vector, limit: int) -> Index:
    rest = np.ones(len(scaled))
    columns = np.zeros((len(scaled), min(limit, len(scaled))))
    chosen: list[int] = []
    of_type = {int(number): np.flatnonzero(types == number) for number in np.unique(types)}
    for step in range(columns.shape[1]):
        gain = np.where(rest > _MIN_PIVOT, importance * rest, -1.0)
        pivot = int(gain.argmax())
        if gain[pivot] <= 0:
            break
        own = of_type[int(types[pivot])]
        distance = np.sqrt(3.0 * ((scaled[own] - scaled[pivot]) ** 2).sum(1))
        column = (1.0 + distance) * np.exp(-distance)
        column -= columns[own, :step] @ columns[pivot, :step]
        column /= np.sqrt(rest[pivot])
        columns[own, step] = column
        rest[own] = np.maximum(rest[own] - column**2, 0.0)
        rest[pivot] = 0.0
        chosen.append(pivot)
    return np.array(chosen, dtype=np.int64)


def _correlations(scaled: Matrix, types: Index, points: Matrix, own: Index) -> Matrix:
    """Correlations (K, M) of kernels with inducing ones."""
    result = np.zeros((len(scaled), len(points)))
    for number in np.unique(own):
        rows, columns = np.flatnonzero(types == number), np.flatnonzero(own == number)
        at, near = torch.from_numpy(scaled[rows].T.copy()), torch.from_numpy(points[columns])
        base = near.square().sum(1, keepdim=True).expand(-1, len(rows))
        result[np.ix_(rows, columns)] = correlations(at, base, near).numpy().T
    return result
