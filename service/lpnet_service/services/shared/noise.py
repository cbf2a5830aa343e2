"""The noise floor of a target: how much two sessions differ on the same workload."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations
from statistics import mean, median

MIN_WORKLOADS = 3  # `lpnet.schemas.report.NOISE_UNKNOWN` states this number


def spread(sessions: Collection[Sequence[float]]) -> float | None:
    """Difference between the sessions that measured a workload, relative to their mean.

    `sessions` holds the latencies of each session in ms; the latency of a session is their median.
    With more than two sessions, the differences of all pairs are averaged. None for fewer than
    two.
    """
    if len(sessions) < 2:
        return None
    medians = [median(latencies) for latencies in sessions]
    return mean(abs(a - b) / ((a + b) / 2) for a, b in combinations(medians, 2))


def floor_pct(spreads: Iterable[float]) -> float | None:
    """Median of the spreads of workloads, percent. None for fewer than MIN_WORKLOADS."""
    values = list(spreads)
    return 100.0 * median(values) if len(values) >= MIN_WORKLOADS else None
