"""Calibration from the errors of held-out workloads, for any kind of latency model.

The error of a workload that the model was not fitted to, over the model's spread there, is a
conformal score. The quantiles of the scores, by kind of workload, scale the intervals.
"""

from __future__ import annotations

from statistics import NormalDist

import numpy as np

from lpnet.model.header import Calibration
from lpnet_service.training.records import Mask, Vector

COVERAGES = (0.5, 0.6, 0.68, 0.75, 0.8, 0.85, 0.9, 0.95, 0.99)
# A kind of workload without scores takes the intervals of the other kind, this much wider.
UNSCORED_FACTOR = 2.0
_MIN_FACTOR = 1e-3


def calibration(scores: Vector, scored: Mask, network: Mask) -> Calibration:
    """Factors at COVERAGES from scores (N,).

    `scored` (N,) says which records have one, `network` (N,) which are networks.
    """
    block = _quantiles(scores[scored & ~network])
    networks = _quantiles(scores[scored & network])
    normal = [_normal_quantile(coverage) * UNSCORED_FACTOR for coverage in COVERAGES]
    if block is None and networks is None:
        block = networks = normal
    widened = [q * UNSCORED_FACTOR for q in (block or networks or normal)]
    return Calibration(
        coverages=COVERAGES,
        block=tuple(widened if block is None else block),
        network=tuple(widened if networks is None else networks),
    )


def _quantiles(scores: Vector) -> list[float] | None:
    """Quantile i / (n + 1) is the i-th smallest score; beyond the last, a normal tail."""
    count = len(scores)
    if not count:
        return None
    ordered = np.maximum(np.sort(scores), _MIN_FACTOR)
    levels = np.arange(1, count + 1) / (count + 1)
    last = levels[-1]
    quantiles = [
        float(np.interp(c, [0.0, *levels], [0.0, *ordered]))
        if c <= last
        else float(ordered[-1]) * _normal_quantile(c) / _normal_quantile(last)
        for c in COVERAGES
    ]
    return [max(q, _MIN_FACTOR) for q in quantiles]


def _normal_quantile(coverage: float) -> float:
    return NormalDist().inv_cdf(0.5 + coverage / 2.0)
