"""Whether two sets of samples agree within the noise floors that they state.

A noise floor f is the median difference of two sessions. If the noise of the sessions of A and B
is independent and normal, and nothing else differs, the median difference between A and B is
sqrt((f_A^2 + f_B^2) / 2): the combined floor. Two days, or two devices, agree if the median
difference that they show is no more than that.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Literal

from lpnet.noise import MIN_WORKLOADS, NoiseFloor, Reading, median_interval, noise_floor, spread
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import workload_key

Verdict = Literal["agree", "differ", "unclear", "unknown"]


@dataclass(frozen=True)
class MeasuredSide:
    """One side: its name, its noise floor, and the latency of each workload by its key, in ms."""

    name: str
    floor: NoiseFloor
    latency_ms: Mapping[str, float]


@dataclass(frozen=True)
class Agreement:
    """How the workloads that both sides measured compare. Percentages; intervals are 95%.

    `ratio` is the median latency of B over that of A. `difference_pct` is the median difference
    relative to the mean of both. `floor_pct` is the combined noise floor, and `floor_high_pct`
    that of the upper ends of the intervals of both floors. `within_pct` is the share of workloads
    that differ by no more than twice the combined floor: about 82% if only noise differs. What
    cannot be computed is None. `reason` explains the verdict.
    """

    workloads: int
    verdict: Verdict
    reason: str
    ratio: float | None = None
    ratio_interval: tuple[float, float] | None = None
    difference_pct: float | None = None
    difference_interval_pct: tuple[float, float] | None = None
    floor_pct: float | None = None
    floor_high_pct: float | None = None
    within_pct: float | None = None


def measured_side(name: str, samples: Iterable[Sample]) -> MeasuredSide:
    """Medians and noise floor of samples of one target. Disturbed samples and sentinels are left
    out."""
    latencies: dict[str, list[float]] = defaultdict(list)
    sessions: dict[str, dict[str, list[Reading]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        if sample.disturbed or sample.sentinel is not None:
            continue
        key = workload_key(sample.workload)
        latencies[key].append(sample.latency_ms)
        if sample.session is not None and sample.measured_at is not None:
            reading = (sample.measured_at, sample.latency_ms)
            sessions[key][sample.session].append(reading)
    spreads = (spread(readings.values()) for readings in sessions.values())
    floor = noise_floor(value for value in spreads if value is not None)
    return MeasuredSide(name, floor, {key: median(ms) for key, ms in latencies.items()})


def agreement(a: MeasuredSide, b: MeasuredSide) -> Agreement:
    """Compare two sides on the workloads that both measured.

    They agree if the median difference is at most the combined floor, at the upper ends of the
    floors' intervals, and differ if the whole interval of the difference is above it. Between the
    two it is unclear. It is unknown if a floor is, or for fewer than ten workloads.
    """
    pairs = [(ms, b.latency_ms[key]) for key, ms in a.latency_ms.items() if key in b.latency_ms]
    unknown = _unknown_reason(a, b, len(pairs))
    if not pairs:
        return Agreement(0, "unknown", unknown or "")
    ratios = [second / first for first, second in pairs]
    differences = [200 * abs(second - first) / (first + second) for first, second in pairs]
    difference, interval = median(differences), median_interval(differences)
    floor_pct = _combined(a.floor.pct, b.floor.pct)
    high_pct = _combined(a.floor.high_pct, b.floor.high_pct)
    within_pct = None
    if floor_pct is not None:
        within = sum(value <= 2 * floor_pct for value in differences)
        within_pct = 100 * within / len(differences)
    verdict, reason = _judge(difference, interval, high_pct, unknown)
    return Agreement(
        workloads=len(pairs),
        verdict=verdict,
        reason=reason,
        ratio=median(ratios),
        ratio_interval=median_interval(ratios),
        difference_pct=difference,
        difference_interval_pct=interval,
        floor_pct=floor_pct,
        floor_high_pct=high_pct,
        within_pct=within_pct,
    )


def _combined(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else math.sqrt((a**2 + b**2) / 2)


def _unknown_reason(a: MeasuredSide, b: MeasuredSide, workloads: int) -> str | None:
    for side in (a, b):
        if side.floor.reason is not None:
            return f"the noise floor of {side.name} is unknown: {side.floor.reason}"
    if workloads < MIN_WORKLOADS:
        return f"they have {workloads} workloads in common, and {MIN_WORKLOADS} are needed"
    return None


def _judge(
    difference: float, interval: tuple[float, float], high_pct: float | None, unknown: str | None
) -> tuple[Verdict, str]:
    if unknown is not None or high_pct is None:
        return "unknown", unknown or ""
    limit = f"{high_pct:.2f}%, the upper end of their combined noise floor"
    if difference <= high_pct:
        return "agree", f"their median difference of {difference:.2f}% is within {limit}"
    if interval[0] > high_pct:
        return "differ", (
            f"their median difference, {interval[0]:.2f} to {interval[1]:.2f}%, is above {limit}"
        )
    return "unclear", (
        f"their median difference of {difference:.2f}% is above {limit}, but its interval begins "
        f"at {interval[0]:.2f}%: measure more workloads on both"
    )
