"""The noise floor of a target: how far two sessions differ on the same workload."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from itertools import combinations
from statistics import mean, median

LEAST_WORKLOADS = 3  # `lpnet.schemas.report.NOISE_UNKNOWN` says so in words


def spread(sessions: Collection[Sequence[float]]) -> float | None:
    """Difference between the sessions that measured a workload, relative to their mean.

    `sessions` holds the latencies of each, ms; a session's latency is their median. Among more
    than two sessions the differences of all pairs are averaged. None for fewer than two.
    """
    if len(sessions) < 2:
        return None
    medians = [median(latencies) for latencies in sessions]
    return mean(abs(a - b) / ((a + b) / 2) for a, b in combinations(medians, 2))


def floor_pct(spreads: Iterable[float]) -> float | None:
    """Median of the spreads of workloads, percent. None for fewer than three workloads."""
    found = list(spreads)
    return 100.0 * median(found) if len(found) >= LEAST_WORKLOADS else None
