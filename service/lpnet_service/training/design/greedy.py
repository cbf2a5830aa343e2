"""Greedy choice of a batch by the variance that it leaves.

The posterior variance of a Gaussian process does not depend on what will be measured. So a whole
batch is chosen at once: each time the candidate that lowers the mean variance of the reference
most (Cohn et al., Active learning with statistical models, 1996).
"""

from __future__ import annotations

import numpy as np

from lpnet_service.training.op_process.distinct import Matrix
from lpnet_service.training.records import Vector


def batch(candidates: Matrix, own: Vector, reference: Matrix, count: int) -> list[int]:
    """At most `count` of C candidates, in the order in which they are chosen.

    `candidates` (C, M) and `reference` (R, M) are factors: the product of two rows is the
    covariance of two log latencies. `own` (C,) is the variance of each candidate beyond that, with
    the noise.
    """
    left, rest = candidates.copy(), reference.copy()
    chosen: list[int] = []
    free = np.ones(len(left), dtype=bool)
    for _ in range(min(count, len(left))):
        explained = (left**2).sum(1)
        gain = ((rest @ left.T) ** 2).sum(0) / (explained + own)
        best = int(np.where(free, gain, -1.0).argmax())
        chosen.append(best)
        free[best] = False
        left, rest = (_measured(part, left[best], own[best]) for part in (left, rest))
    return chosen


def _measured(factors: Matrix, direction: Vector, own: float) -> Matrix:
    """The factors (N, M) once a workload with the factor `direction` (M,) is measured."""
    squared = float(direction @ direction)
    if squared == 0.0:
        return factors
    kept = np.sqrt(own / (squared + own))
    along = factors @ direction * ((1.0 - kept) / squared)
    return np.asarray(factors - along[:, None] * direction)
