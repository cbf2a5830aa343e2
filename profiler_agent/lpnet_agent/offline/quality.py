"""Whether this machine can be measured, judged while a space is measured without a server."""

from __future__ import annotations

from collections.abc import Callable

from lpnet.noise import NoiseFloor
from lpnet.quality.assessment import Evidence, SentinelReading, assess
from lpnet.quality.figures import Counts
from lpnet.schemas.quality import VERDICTS, Quality
from lpnet.schemas.sample import Sample

_NEWEST_SAMPLES = 100

OnQuality = Callable[[Quality], None]


class SampleQuality:
    """Judges samples as they are added, and passes on the quality when it is known and when it
    gets worse. `total` is the number of workloads to measure."""

    def __init__(self, total: int, threads: int | None, on_quality: OnQuality) -> None:
        self._total = total
        self._threads = threads
        self._on_quality = on_quality
        self._samples: list[Sample] = []
        self._readings: list[SentinelReading] = []
        self._shown: Quality | None = None

    def add(self, sample: Sample) -> None:
        if sample.sentinel is None:
            self._samples.append(sample)
        else:
            reading = SentinelReading(sample.sentinel, sample.latency_ms, sample.disturbed)
            self._readings.append(reading)

    def check(self, floor: NoiseFloor) -> Quality:
        """The quality so far."""
        quality = self._assess(floor, ended=False)
        worst = "unknown" if self._shown is None else self._shown.verdict
        if VERDICTS.index(quality.verdict) > VERDICTS.index(worst):
            self._show(quality)
        return quality

    def end(self, floor: NoiseFloor) -> Quality:
        """The quality when no more is measured; passed on if it is of more samples."""
        quality = self._assess(floor, ended=True)
        measured = 0 if self._shown is None else self._shown.measured
        if quality.measured > measured:
            self._show(quality)
        return quality

    def _assess(self, floor: NoiseFloor, *, ended: bool) -> Quality:
        counts = Counts.of([sample.disturbed for sample in self._samples], self._total, ended)
        newest = self._samples[-_NEWEST_SAMPLES:]
        return assess(Evidence(counts, newest, self._readings, floor, self._threads))

    def _show(self, quality: Quality) -> None:
        self._shown = quality
        self._on_quality(quality)
