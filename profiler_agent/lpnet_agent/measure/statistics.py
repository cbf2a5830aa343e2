"""Statistics of timed repeats: the median and how far it can be trusted within its session."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Values = NDArray[np.float64]

_Z95 = 1.959963984540054
# Below six independent repeats no pair of them encloses the median with 95% probability.
LEAST_REPEATS = 6


@dataclass(frozen=True)
class Summary:
    """Statistics of the repeats of one workload, all in ms of one inference."""

    count: int
    median: float
    p10: float
    p90: float
    least: float
    std: float
    ci_low: float
    ci_high: float

    @property
    def precision(self) -> float:
        """The larger distance of the median from an end of its interval, relative to it.

        Infinite while there are too few repeats for an interval.
        """
        if self.count < LEAST_REPEATS:
            return math.inf
        return max(self.ci_high - self.median, self.median - self.ci_low) / self.median


def summarise(values: Values) -> Summary:
    """Statistics of repeats in the order in which they were taken (the order matters: see
    `median_interval`). Raises ValueError on none."""
    if values.size == 0:
        raise ValueError("no repeats to summarise")
    p10, median, p90 = np.percentile(values, (10.0, 50.0, 90.0))
    low, high = median_interval(values)
    return Summary(
        count=int(values.size),
        median=float(median),
        p10=float(p10),
        p90=float(p90),
        least=float(values.min()),
        std=float(values.std(ddof=1)) if values.size > 1 else 0.0,
        ci_low=min(low, float(median)),
        ci_high=max(high, float(median)),
    )


def median_interval(values: Values) -> tuple[float, float]:
    """95% confidence interval of the median of a correlated series, by order statistics.

    For independent repeats the interval runs between the order statistics n/2 -+ z sqrt(n)/2. What
    makes a median uncertain is how many repeats fall below it, so correlation widens the interval
    by the square root of the autocorrelation time of "was this repeat below the median". No
    density is estimated and nothing is drawn at random. With too few repeats for 95%, the
    interval is their whole range.
    """
    n = values.size
    ordered = np.sort(values)
    reach = _Z95 * math.sqrt(n * autocorrelation_time(values)) / 2
    low, high = math.floor(n / 2 - reach) - 1, math.ceil(n / 2 + reach)
    return float(ordered[max(low, 0)]), float(ordered[min(high, n - 1)])


def autocorrelation_time(values: Values) -> float:
    """1 + 2 * (sum of the autocorrelations of `value <= median`), at least 1.

    Summed up to the first pair of neighbouring lags whose sum is not positive (Geyer, Practical
    Markov Chain Monte Carlo, 1992): beyond it there is noise only.
    """
    n = values.size
    if n < LEAST_REPEATS:
        return 1.0
    below = (values <= np.median(values)).astype(float)
    below -= below.mean()
    power = float(below @ below)
    if power == 0.0:
        return 1.0
    spectrum = np.fft.rfft(below, 2 * n)
    correlation = np.fft.irfft(np.abs(spectrum) ** 2, 2 * n)[: n // 2] / power
    pairs = correlation[: 2 * (correlation.size // 2)].reshape(-1, 2).sum(1)
    ends = np.flatnonzero(pairs <= 0)
    kept = pairs[: ends[0]] if ends.size else pairs
    return max(1.0, 2.0 * float(kept.sum()) - 1.0)
