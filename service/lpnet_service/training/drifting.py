"""A sequential test of whether samples still agree with an LPNet, as they come.

A sample is high if it is above the LPNet's interval of 50%, widened by a tolerance, and low if it
is below. While the LPNet holds, at most MAX_TAIL of the samples are high, and as many low. The
test bets against that: an e-value multiplies by more than 1 at each high sample and by less at
each other one, for several shares that a drift may have. Shiryaev-Roberts sums of these products
detect a change at any time, and alarm on average at most once in SAMPLES_PER_ALARM samples that
have not drifted (Shin, Ramdas and Rinaldo, E-detectors, 2023). Only the order of the samples and
the side of each count, so single gross errors do little.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lpnet_service.training.records import Vector

# The interval of the LPNet that is used.
COVERAGE = 0.5
# A quarter is above an interval that holds; real ones do not hold exactly.
MAX_TAIL = 0.3
SAMPLES_PER_ALARM = 10_000
# A session differs from another by a common factor, which is no drift, by at least this much.
MIN_TOLERANCE = 0.01
_DRIFTED_SHARES = np.array([0.45, 0.6, 0.75, 0.9])


@dataclass(frozen=True)
class Drift:
    """Samples from index `start` on do not agree with the LPNet, which was certain at index
    `detected`. `ratio` is the median of measured over predicted among these."""

    start: int
    detected: int
    ratio: float


def detect(
    log_ratio: Vector,
    half_width: Vector,
    tolerance: float = MIN_TOLERANCE,
    reference: Vector | None = None,
) -> Drift | None:
    """The first drift in a sequence of samples, by log(measured / predicted) (N,).

    `half_width` (N,) is that of the LPNet's interval of COVERAGE, in log latency. A common factor
    of up to exp(tolerance) is not a drift. `reference` (M,) are log ratios over half widths of
    workloads that were held out: where a quarter of them is above or below the interval's end,
    that end is moved, so that errors which the LPNet always had are no drift.
    """
    above, below = _factors(reference)
    tolerance = max(tolerance, MIN_TOLERANCE)
    high = log_ratio > above * half_width + tolerance
    low = -log_ratio > below * half_width + tolerance
    logs = np.stack([_log_e(high), _log_e(low)])
    threshold = np.log(SAMPLES_PER_ALARM)
    # Logarithms of the sums, by side and share.
    sums = np.full(logs.shape[::2], -np.inf)
    for index in range(len(log_ratio)):
        sums = logs[:, index] + np.logaddexp(0.0, sums)
        if np.logaddexp.reduce(sums.ravel()) - np.log(sums.size) >= threshold:
            side, share = np.unravel_index(int(sums.argmax()), sums.shape)
            start = _change(logs[side, : index + 1, share])
            ratio = float(np.exp(np.median(log_ratio[start : index + 1])))
            return Drift(start, index, ratio)
    return None


def _factors(reference: Vector | None) -> tuple[float, float]:
    if reference is None:
        return 1.0, 1.0
    tail = (1 + COVERAGE) / 2
    above, below = np.quantile(reference, tail), np.quantile(-reference, tail)
    return max(1.0, float(above)), max(1.0, float(below))


def _log_e(outside: np.ndarray) -> Vector:
    """Logarithms of the e-values (N, shares) of samples that are outside on one side or not."""
    high, other = (
        np.log(_DRIFTED_SHARES / MAX_TAIL),
        np.log((1 - _DRIFTED_SHARES) / (1 - MAX_TAIL)),
    )
    return np.where(outside[:, None], high, other)


def _change(logs: Vector) -> int:
    """The index from which the sum of the logarithms is largest."""
    return int(np.argmax(np.cumsum(logs[::-1])[::-1]))
