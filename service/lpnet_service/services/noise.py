"""The noise floor of a target: how far two sessions differ on the same workload."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import combinations
from statistics import mean, median

LEAST_WORKLOADS = 3  # `lpnet.schemas.report.NOISE_UNKNOWN` says so in words

Measured = tuple[str, str, float]


def noise_floor_pct(measured: Iterable[Measured]) -> float | None:
    """Median over workloads of the difference between sessions, percent of their mean.

    `measured` holds (workload, session, latency in ms). A session's latency of a workload is the
    median of what it measured; among more than two sessions the differences of all pairs are
    averaged. None for fewer than three workloads that two sessions share.
    """
    by_workload: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for workload, session, latency in measured:
        by_workload[workload][session].append(latency)
    spreads = [
        _spread([median(latencies) for latencies in sessions.values()])
        for sessions in by_workload.values()
        if len(sessions) > 1
    ]
    return 100.0 * median(spreads) if len(spreads) >= LEAST_WORKLOADS else None


def _spread(medians: list[float]) -> float:
    return mean(abs(a - b) / ((a + b) / 2) for a, b in combinations(medians, 2))
