"""The quality of samples: a verdict, why, and what would help."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from lpnet.noise import NoiseFloor
from lpnet.quality import causes
from lpnet.quality.figures import (
    Counts,
    Readings,
    expected_error,
    explain,
    judge,
    other_load,
    spreads,
    wide,
)
from lpnet.schemas.quality import Quality
from lpnet.schemas.sample import Sample, Sentinel


class SentinelReading(NamedTuple):
    """A reading of a sentinel, in ms."""

    sentinel: Sentinel
    ms: float
    disturbed: bool


@dataclass(frozen=True)
class Evidence:
    """What is there to judge: counts, the newest samples, the sentinel readings and noise floor
    of their epoch, and the threads of their target."""

    counts: Counts
    samples: Sequence[Sample]
    readings: Sequence[SentinelReading]
    floor: NoiseFloor
    threads: int | None


def assess(evidence: Evidence) -> Quality:
    counts, samples = evidence.counts, evidence.samples
    present = causes.causes(sample.reasons for sample in samples if sample.disturbed)
    undisturbed_ms = _by_sentinel(
        reading for reading in evidence.readings if not reading.disturbed
    )
    sentinels = spreads(_by_sentinel(evidence.readings), undisturbed_ms)
    verdict = judge(counts, sentinels)
    undisturbed = [sample.conditions for sample in samples if not sample.disturbed]
    error_pct, error_source = expected_error(
        evidence.floor, undisturbed_ms, [each for each in undisturbed if each is not None]
    )
    advice = list[str]()
    if verdict in ("poor", "bad"):
        advice = causes.advice(present, evidence.threads, unseen=bool(wide(sentinels)))
    return Quality(
        verdict=verdict,
        reason=explain(counts, present, sentinels),
        total=counts.total,
        measured=counts.measured,
        good=counts.measured - counts.disturbed,
        disturbed=counts.disturbed,
        newest=counts.newest,
        newest_disturbed=counts.newest_disturbed,
        causes=tuple(present),
        other_load=other_load([sample.conditions for sample in samples if sample.conditions]),
        sentinels=tuple(sentinels),
        expected_error_pct=error_pct,
        expected_error_source=error_source,
        advice=tuple(advice),
    )


def _by_sentinel(readings: Iterable[SentinelReading]) -> Readings:
    values: dict[Sentinel, list[float]] = defaultdict(list)
    for reading in readings:
        values[reading.sentinel].append(reading.ms)
    return values
