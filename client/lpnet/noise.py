"""The noise floor of a target: how much two sessions minutes apart differ on one workload."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from statistics import mean, median

# `lpnet.schemas.report.NOISE_UNKNOWN` states these numbers.
MIN_WORKLOADS = 10
# Within less time, two sessions meet the same spell of a busy machine, and agree for that reason.
MIN_APART_S = 60.0
COVERAGE = 0.95

# When a workload was measured, and its latency in ms.
Reading = tuple[datetime, float]


@dataclass(frozen=True)
class NoiseFloor:
    """The median spread of the workloads that were repeated, in percent, and its interval.

    `workloads` counts those that were measured in two sessions at least MIN_APART_S apart. The
    floor and its 95% interval are None for fewer than MIN_WORKLOADS.
    """

    workloads: int
    pct: float | None = None
    low_pct: float | None = None
    high_pct: float | None = None

    @property
    def reason(self) -> str | None:
        """Why it is unknown, for people; None if it is known."""
        if self.pct is not None:
            return None
        return (
            f"{self.workloads} of {MIN_WORKLOADS} workloads were measured again in another "
            "session, at least a minute later"
        )


def spread(sessions: Collection[Sequence[Reading]]) -> float | None:
    """Difference between the sessions that measured a workload, relative to their mean.

    `sessions` holds the readings of each session. Its latency is their median, its time that of
    the first. Only pairs of sessions that are at least MIN_APART_S apart count, and the
    differences of several pairs are averaged. None if there is no such pair.
    """
    latencies = [
        (min(taken_at for taken_at, _ in readings), median(ms for _, ms in readings))
        for readings in sessions
    ]
    differences = [
        abs(a - b) / ((a + b) / 2)
        for (time_a, a), (time_b, b) in combinations(latencies, 2)
        if abs((time_a - time_b).total_seconds()) >= MIN_APART_S
    ]
    return mean(differences) if differences else None


def noise_floor(spreads: Iterable[float]) -> NoiseFloor:
    """The noise floor from the spread of each repeated workload."""
    values = list(spreads)
    if len(values) < MIN_WORKLOADS:
        return NoiseFloor(len(values))
    low, high = median_interval(values)
    return NoiseFloor(len(values), 100 * median(values), 100 * low, 100 * high)


def median_interval(values: Collection[float], coverage: float = COVERAGE) -> tuple[float, float]:
    """Bootstrap percentile interval of the median of independent values, at least one.

    The distribution of the median of a resample is known exactly, so nothing is drawn: its r-th
    value is at most the k-th of n values with the probability that a binomial variable of n draws
    with success rate k/n is at least r (Efron, Bootstrap methods: another look at the jackknife,
    1979). For an even n, the lower median of the resample gives the lower end, the upper one the
    upper end.
    """
    ordered = sorted(values)
    n, tail = len(ordered), (1 - coverage) / 2
    low = _quantile_rank(n, (n + 1) // 2, tail)
    high = _quantile_rank(n, n // 2 + 1, 1 - tail)
    return ordered[low - 1], ordered[high - 1]


def _quantile_rank(n: int, r: int, probability: float) -> int:
    """The smallest k with P(r-th value of a resample <= k-th of n values) >= probability."""
    low, high = 1, n
    while low < high:
        middle = (low + high) // 2
        if _binomial_at_least(n, middle / n, r) >= probability:
            high = middle
        else:
            low = middle + 1
    return low


def _binomial_at_least(n: int, rate: float, r: int) -> float:
    if rate >= 1:
        return 1.0
    log_rate, log_other, log_n = math.log(rate), math.log1p(-rate), math.lgamma(n + 1)
    return math.fsum(
        math.exp(
            log_n
            - math.lgamma(j + 1)
            - math.lgamma(n - j + 1)
            + j * log_rate
            + (n - j) * log_other
        )
        for j in range(r, n + 1)
    )
