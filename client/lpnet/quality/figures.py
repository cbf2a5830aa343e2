"""The figures of a quality, and the verdict from them. Pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median, quantiles

from lpnet.noise import NoiseFloor
from lpnet.schemas.condition import LEVEL_READINGS
from lpnet.schemas.quality import (
    ENOUGH_WORKLOADS,
    DisturbanceCause,
    OtherLoad,
    SentinelSpread,
    Verdict,
)
from lpnet.schemas.sample import Conditions, Sentinel

# More than this share of disturbed samples is poor, and more than half is bad.
_POOR_SHARE = 0.1
# A larger range of a sentinel's undisturbed readings is poor. A quiet host has 1 to 3%.
_POOR_SPREAD_PCT = 10.0
_MIN_SPREAD_READINGS = 3
_MIN_PROBES = 5
_MIN_VISITED = ENOUGH_WORKLOADS // 2

# Latencies of a sentinel's readings, ms.
Readings = Mapping[Sentinel, Sequence[float]]


@dataclass(frozen=True)
class Counts:
    """Workloads of a campaign: all, those of completed jobs, the disturbed among these, and the
    newest samples with the disturbed among them. `ended`: no more will be measured."""

    total: int
    measured: int
    disturbed: int
    newest: int
    newest_disturbed: int
    ended: bool

    @classmethod
    def of(cls, disturbed: Sequence[bool], total: int, ended: bool) -> Counts:
        """From whether each sample is disturbed, in chronological order."""
        newest = disturbed[-ENOUGH_WORKLOADS:]
        return cls(total, len(disturbed), sum(disturbed), len(newest), sum(newest), ended)

    @property
    def known(self) -> bool:
        """Whether enough was measured, or so much is disturbed that more cannot change it."""
        if self.measured >= ENOUGH_WORKLOADS or (self.ended and self.measured > 0):
            return True
        return 2 * self.disturbed > ENOUGH_WORKLOADS and self.most_disturbed

    @property
    def most_disturbed(self) -> bool:
        return 2 * self.disturbed > self.measured

    @property
    def newest_are_worse(self) -> bool:
        return 2 * self.newest_disturbed > self.newest and not self.most_disturbed


def judge(counts: Counts, sentinels: Sequence[SentinelSpread]) -> Verdict:
    if not counts.known:
        return "unknown"
    if counts.most_disturbed:
        return "bad"
    many = counts.disturbed > _POOR_SHARE * counts.measured
    return "poor" if many or counts.newest_are_worse or wide(sentinels) else "good"


def explain(
    counts: Counts, causes: Sequence[DisturbanceCause], sentinels: Sequence[SentinelSpread]
) -> str:
    """The figures behind a verdict, in words."""
    if not counts.known:
        needed = min(ENOUGH_WORKLOADS, counts.total)
        return f"{counts.measured} of the first {needed} workloads were measured"
    text = f"{counts.disturbed} of {counts.measured} samples are disturbed"
    if causes and counts.disturbed:
        text += ": " + ", ".join(f"{cause.text} ({cause.samples})" for cause in causes)
    if counts.newest_are_worse:
        text += f"; of the newest {counts.newest}, {counts.newest_disturbed} are"
    apart = [f"{spread.sentinel} by {spread.spread_pct:.0f}%" for spread in wide(sentinels)]
    return f"{text}; undisturbed sentinel readings differ: {', '.join(apart)}" if apart else text


def expected_error(
    floor: NoiseFloor, undisturbed_ms: Readings, undisturbed: Sequence[Conditions]
) -> tuple[float | None, str]:
    """The error that noise alone gives an LPNet, in percent, and where the figure comes from.

    Sessions of a workload differ by the noise floor, and readings of a sentinel scatter around
    their median. An LPNet that learns from such samples is no better than the larger of both.
    Visits differ by less than sessions, and count where the noise floor is unknown. `undisturbed`
    are the conditions of undisturbed samples.
    """
    known = []
    if floor.pct is not None:
        known.append((floor.pct, f"the noise floor, of {floor.workloads} workloads"))
    for sentinel, values in undisturbed_ms.items():
        if len(values) >= LEVEL_READINGS:
            middle = median(values)
            scatter_pct = 100 * mean(abs(ms - middle) for ms in values) / middle
            source = f"the scatter of {len(values)} readings of sentinel {sentinel}"
            known.append((scatter_pct, source))
    fastest_pct = [pct for each in undisturbed if (pct := _fastest_visits_pct(each)) is not None]
    if floor.pct is None and len(fastest_pct) >= _MIN_VISITED:
        source = f"half the difference between visits to a workload, of {len(fastest_pct)}"
        known.append((median(fastest_pct) / 2, source))
    if known:
        return max(known)
    most = max(map(len, undisturbed_ms.values()), default=0)
    readings = f"{most} of {LEVEL_READINGS} undisturbed readings of a sentinel"
    return None, f"{floor.reason}, and there are {readings}"


def spreads(all_ms: Readings, undisturbed_ms: Readings) -> list[SentinelSpread]:
    return [
        SentinelSpread(
            sentinel=name,
            readings=len(values),
            disturbed=len(values) - len(undisturbed_ms.get(name, ())),
            spread_pct=_range_pct(undisturbed_ms.get(name, ())),
        )
        for name, values in sorted(all_ms.items())
    ]


def _range_pct(values: Sequence[float]) -> float | None:
    return 100 * (max(values) - min(values)) / median(values) if len(values) >= 2 else None


def wide(sentinels: Sequence[SentinelSpread]) -> list[SentinelSpread]:
    """Sentinels whose undisturbed readings differ too much for a quiet host."""
    return [
        spread
        for spread in sentinels
        if spread.readings - spread.disturbed >= _MIN_SPREAD_READINGS
        and spread.spread_pct is not None
        and spread.spread_pct > _POOR_SPREAD_PCT
    ]


def other_load(conditions: Sequence[Conditions]) -> OtherLoad:
    return OtherLoad(
        cpu_pct=_median(conditions, _waited_pct),
        cores_pct=_median(conditions, _cores_pct),
        memory_pct=_median(conditions, lambda conditions: conditions.memory_pct),
        slowed_pct=_median(conditions, _slowed_pct),
        probes_pct=_probes_pct(conditions),
        visits_pct=_median(conditions, _visits_pct),
    )


def _median(
    conditions: Sequence[Conditions], figure: Callable[[Conditions], float | None]
) -> float | None:
    figures = (figure(sample_conditions) for sample_conditions in conditions)
    values = [value for value in figures if value is not None]
    return median(values) if values else None


def _waited_pct(conditions: Conditions) -> float | None:
    if conditions.waited_s is None or not conditions.wall_s:
        return None
    return 100 * conditions.waited_s / conditions.wall_s


def _cores_pct(conditions: Conditions) -> float | None:
    return None if conditions.elsewhere_share is None else 100 * conditions.elsewhere_share


def _slowed_pct(conditions: Conditions) -> float | None:
    if conditions.slowed_runs is None or not conditions.runs:
        return None
    return 100 * conditions.slowed_runs / conditions.runs


def _probes_pct(conditions: Sequence[Conditions]) -> float | None:
    probes = [c.arithmetic_ns for c in conditions if c.arithmetic_ns is not None]
    if len(probes) < _MIN_PROBES:
        return None
    tenths = quantiles(probes, n=10, method="inclusive")
    return 100 * (tenths[-1] - tenths[0]) / median(probes)


def _visits_pct(conditions: Conditions) -> float | None:
    visits = conditions.visits_ms
    return 100 * (max(visits) / min(visits) - 1) if len(visits) >= 2 and min(visits) > 0 else None


def _fastest_visits_pct(conditions: Conditions) -> float | None:
    """Difference between the two fastest visits, of which the latency is computed."""
    fastest = sorted(conditions.visits_ms)[:2]
    return 100 * (fastest[1] / fastest[0] - 1) if len(fastest) == 2 and fastest[0] > 0 else None
