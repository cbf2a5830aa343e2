"""Measure a space without a server: from a space file to a samples file."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

from lpnet.errors import FileFormatError
from lpnet.noise import NoiseFloor, Reading, noise_floor, spread
from lpnet.progress import Progress
from lpnet.schemas.campaign import PlannedWorkload
from lpnet.schemas.condition import drift_pct
from lpnet.schemas.quality import ENOUGH_WORKLOADS, Quality
from lpnet.schemas.sample import Sample, Sentinel
from lpnet.schemas.workload import SpaceWorkload, workload_key
from lpnet.space.sampling import plan
from lpnet.space.space import Space
from lpnet.stop import Stop
from lpnet_agent.errors import Interrupted, SetupError
from lpnet_agent.measure.job import ItemResult, Measurer, measure_all
from lpnet_agent.measure.messages import Item
from lpnet_agent.offline.quality import OnQuality, SampleQuality
from lpnet_agent.sentinels.health import SENTINELS
from lpnet_agent.sentinels.readings import read_sentinel, undisturbed_ms

Widths = Mapping[str, int] | Sequence[int]

# As many workloads as a job of some seconds has.
_BATCH_ITEMS = 24


@dataclass(frozen=True)
class MeasurePlan:
    """What to measure: drawn blocks and networks, networks at fixed widths, and how many of all
    these to repeat in a second session, `repeat_pause_s` after the first.

    With `keep_going` it is measured even if most samples are disturbed.
    """

    blocks: int = 0
    networks: int = 0
    widths: tuple[Widths, ...] = ()
    repeats: int = 0
    repeat_pause_s: float = 0.0
    seed: int = 0
    batch: int = 1
    keep_going: bool = False


@dataclass
class SpaceResult:
    """Counts of what was measured, without sentinels.

    `readings` are those of each workload without disturbance, by session. `drift_pct` is the
    change of each sentinel from before to after, None if it was disturbed at either end. With
    `too_disturbed` it was stopped, because most samples are.
    """

    samples: int = 0
    networks: int = 0
    disturbed: int = 0
    repeated: int = 0
    failures: list[str] = field(default_factory=list)
    readings: dict[str, dict[str, list[Reading]]] = field(default_factory=dict)
    drift_pct: dict[Sentinel, float | None] = field(default_factory=dict)
    quality: Quality | None = None
    too_disturbed: bool = False

    @property
    def noise_floor(self) -> NoiseFloor:
        spreads = (spread(sessions.values()) for sessions in self.readings.values())
        return noise_floor(value for value in spreads if value is not None)

    def add(self, sample: Sample, *, repeated: bool) -> None:
        self.samples += 1
        self.networks += sample.kind == "network"
        self.disturbed += sample.disturbed
        self.repeated += repeated
        if sample.disturbed or sample.session is None or sample.measured_at is None:
            return
        sessions = self.readings.setdefault(workload_key(sample.workload), {})
        reading = (sample.measured_at, sample.latency_ms)
        sessions.setdefault(sample.session, []).append(reading)


def read_space(path: Path) -> Space:
    """Load a space file. Raises FileFormatError naming the file."""
    try:
        return Space.load(path)
    except OSError as error:
        raise FileFormatError(f"{path}: {error.strerror}") from error


def plan_items(space: Space, measure_plan: MeasurePlan) -> list[Item]:
    """Raises WidthsError for fixed widths that the space does not have, SetupError for an empty
    plan."""
    drawn = plan(
        space,
        blocks=measure_plan.blocks,
        networks=measure_plan.networks,
        seed=measure_plan.seed,
        batch=measure_plan.batch,
    )
    fixed = [
        PlannedWorkload(
            kind="network",
            workload=SpaceWorkload(
                space=space.hash,
                widths=space.named(space.vector(widths)),
                batch=measure_plan.batch,
            ),
            draw="asked",
        )
        for widths in measure_plan.widths
    ]
    items = [Item(kind=p.kind, workload=p.workload, draw=p.draw) for p in (*fixed, *drawn)]
    if not items:
        raise SetupError("nothing to measure: give --blocks, --networks or --widths")
    return items


def measure_space(
    measurer: Measurer,
    space_file: Path,
    items: Sequence[Item],
    out: Path,
    measure_plan: MeasurePlan,
    stop: Stop,
    progress: Progress,
    *,
    threads: int | None = None,
    on_quality: OnQuality = lambda quality: None,
) -> SpaceResult:
    """Measure the items, then repeat some of them in a new session; sentinels before and after.

    Every sample is written to `out` as soon as it is complete, so that little is lost if the
    command is ended. `on_quality` receives the quality of the samples, on a target with so many
    `threads`.
    """
    quality = SampleQuality(len(items) + measure_plan.repeats, threads, on_quality)
    with out.open("w", encoding="utf-8") as file:
        run = _SpaceRun(measurer, space_file, measure_plan, stop, progress, file, quality)
        return run.measure(items)


class _SpaceRun:
    """One measuring of a space; `_result` counts what it has measured so far."""

    def __init__(
        self,
        measurer: Measurer,
        space_file: Path,
        measure_plan: MeasurePlan,
        stop: Stop,
        progress: Progress,
        file: TextIO,
        quality: SampleQuality,
    ) -> None:
        self._measurer = measurer
        self._space_file = space_file
        self._plan = measure_plan
        self._stop = stop
        self._progress = progress
        self._file = file
        self._quality = quality
        self._rng = np.random.default_rng(measure_plan.seed)
        self._result = SpaceResult()

    def measure(self, items: Sequence[Item]) -> SpaceResult:
        repeats = [items[i] for i in self._rng.permutation(len(items))[: self._plan.repeats]]
        result = self._result
        before = self._measure_sentinels("checking the device")
        self._measure_items("measuring", items)
        if repeats and not result.too_disturbed:
            self._pause(items)
            self._measurer.renew()
            self._measure_items("repeating", repeats)
        after = self._measure_sentinels("checking the device again")
        result.drift_pct = _drifts(before, after)
        result.quality = self._quality.end(result.noise_floor)
        return result

    def _measure_items(self, stage: str, items: Sequence[Item]) -> None:
        """Measure items in random order, in batches, until most samples are disturbed.

        A batch has no results until its workloads were visited twice. It is lost if the command
        ends before that.
        """
        result, done = self._result, 0
        self._progress(stage, done, len(items))
        for batch in _batches([items[i] for i in self._rng.permutation(len(items))]):
            for measured in self._measure_batch(batch):
                done += 1
                self._progress(stage, done, len(items))
                if measured.sample is None:
                    result.failures.append(measured.reason or "unknown")
                    continue
                self._keep(measured.sample)
                result.add(measured.sample, repeated=stage == "repeating")
            quality = self._quality.check(result.noise_floor)
            if quality.verdict == "bad" and not self._plan.keep_going:
                result.too_disturbed = True
                return

    def _measure_batch(self, batch: Sequence[Item]) -> Iterator[ItemResult]:
        # Each with its own id: the same workload may have been drawn twice.
        items = [item.model_copy(update={"id": uuid.uuid4().hex}) for item in batch]
        return measure_all(
            self._measurer,
            items,
            lambda item: self._space_file,
            lambda: not self._stop.is_set(),
            self._rng,
        )

    def _pause(self, items: Sequence[Item]) -> None:
        """Let the pause before repeats pass, with a line of progress now and then."""
        end = time.monotonic() + self._plan.repeat_pause_s
        while (left_s := end - time.monotonic()) > 0 and not self._stop.wait(min(1.0, left_s)):
            self._progress("waiting to repeat", 0, len(items))

    def _measure_sentinels(self, stage: str) -> dict[Sentinel, float | None]:
        """Write sentinel samples to the file; returns undisturbed latencies in ms."""
        latencies: dict[Sentinel, float | None] = dict.fromkeys(SENTINELS)
        for done, sentinel in enumerate(SENTINELS):
            self._progress(stage, done, len(SENTINELS))
            if self._stop.is_set():
                break
            try:
                sample = read_sentinel(self._measurer, sentinel)
            except Interrupted:
                break
            if sample is not None:
                self._keep(sample)
            latencies[sentinel] = undisturbed_ms(sample)
        self._progress(stage, len(SENTINELS), len(SENTINELS))
        return latencies

    def _keep(self, sample: Sample) -> None:
        self._quality.add(sample)
        self._file.write(sample.model_dump_json(exclude_none=True) + "\n")
        self._file.flush()


def _batches(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """The first is small, so that a machine that cannot be measured is known early."""
    yield items[:ENOUGH_WORKLOADS]
    for start in range(ENOUGH_WORKLOADS, len(items), _BATCH_ITEMS):
        yield items[start : start + _BATCH_ITEMS]


def _drifts(
    before: dict[Sentinel, float | None], after: dict[Sentinel, float | None]
) -> dict[Sentinel, float | None]:
    drifts: dict[Sentinel, float | None] = {}
    for sentinel, before_ms in before.items():
        after_ms = after[sentinel]
        if before_ms is None or after_ms is None:
            drifts[sentinel] = None
        else:
            drifts[sentinel] = drift_pct(after_ms, before_ms)
    return drifts
