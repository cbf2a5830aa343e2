"""The weights of a mixture, from cross-validated predictions of its components."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from lpnet_service.training.records import Vector

Matrix = NDArray[np.float64]
# Weights are multiples of one over this.
_STEPS = 20
# Fewer cross-validated predictions say nothing about weights.
MIN_PREDICTIONS = 8


def best_weights(ms: Matrix, latency: Vector) -> Vector:
    """Weights (C,), which add up to 1, with the least mean error of the log.

    `ms` (C, N) are predictions of components for records that measured `latency` (N,). Equal
    weights for fewer than MIN_PREDICTIONS records. Of two equal errors, the more even weights win.
    """
    count = len(ms)
    if len(latency) < MIN_PREDICTIONS:
        return np.full(count, 1.0 / count)
    candidates = np.array(list(_compositions(_STEPS, count))) / _STEPS
    errors = np.abs(np.log(np.maximum(candidates @ ms, 1e-300) / latency)).mean(1)
    uneven = (candidates**2).sum(1)
    return np.asarray(candidates[np.lexsort((uneven, errors))[0]])


def cross_weighted(ms: Matrix, latency: Vector, half: NDArray[np.bool_]) -> Vector:
    """The mixture's predictions (N,): each half of the records by the weights of the other."""
    mixed = np.empty(len(latency))
    for own in (half, ~half):
        mixed[own] = best_weights(ms[:, ~own], latency[~own]) @ ms[:, own]
    return mixed


def _compositions(total: int, parts: int) -> Iterator[tuple[int, ...]]:
    """All ways to write a total as a sum of so many whole numbers."""
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in _compositions(total - first, parts - 1):
            yield (first, *rest)
