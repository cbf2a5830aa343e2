"""Measure a space without a server: from a space file to a samples file."""

from __future__ import annotations

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
from lpnet.schemas.sample import Sample, Sentinel
from lpnet.schemas.workload import SpaceWorkload, workload_key
from lpnet.space.sampling import plan
from lpnet.space.space import Space
from lpnet.stop import Stop
from lpnet_agent.errors import Interrupted, SetupError
from lpnet_agent.measure.job import ItemResult, Measurer, measure_all
from lpnet_agent.measure.messages import Item
from lpnet_agent.sentinels.health import SENTINELS
from lpnet_agent.sentinels.readings import read_sentinel, undisturbed_ms

Widths = Mapping[str, int] | Sequence[int]

# As many workloads as a job of some seconds has.
_BATCH_ITEMS = 24


@dataclass(frozen=True)
class MeasurePlan:
    """What to measure: drawn blocks and networks, networks at fixed widths, and how many of all
    these to repeat in a second session."""

    blocks: int = 0
    networks: int = 0
    widths: tuple[Widths, ...] = ()
    repeats: int = 0
    seed: int = 0
    batch: int = 1


@dataclass
class SpaceResult:
    """Counts of what was measured, without sentinels.

    `readings` are those of each workload without disturbance, by session. `drift_pct` is the
    change of each sentinel from before to after, None if it was disturbed at either end.
    """

    samples: int = 0
    networks: int = 0
    disturbed: int = 0
    repeated: int = 0
    failures: list[str] = field(default_factory=list)
    readings: dict[str, dict[str, list[Reading]]] = field(default_factory=dict)
    drift_pct: dict[Sentinel, float | None] = field(default_factory=dict)

    @property
    def noise_floor(self) -> NoiseFloor:
        spreads = (spread(sessions.values()) for sessions in self.readings.values())
        return noise_floor(value for value in spreads if value is not None)


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
) -> SpaceResult:
    """Measure the items, then repeat some of them in a new session; sentinels before and after.

    Every sample is written to `out` as soon as it is complete, so that little is lost if the
    command is ended.
    """
    rng = np.random.default_rng(measure_plan.seed)
    repeats = [items[i] for i in rng.permutation(len(items))[: measure_plan.repeats]]
    result = SpaceResult()
    with out.open("w", encoding="utf-8") as file:
        before = _measure_sentinels(measurer, stop, file, progress, "checking the device")
        for stage, session_items in (("measuring", items), ("repeating", repeats)):
            repeated = stage == "repeating"
            if not session_items:
                continue
            if repeated:
                measurer.renew()
            progress(stage, 0, len(session_items))
            measured_items = _measure_in_batches(measurer, session_items, space_file, stop, rng)
            for done, measured in enumerate(measured_items, start=1):
                progress(stage, done, len(session_items))
                if measured.sample is None:
                    result.failures.append(measured.reason or "unknown")
                    continue
                _write(file, measured.sample)
                _count(result, measured.sample, repeated=repeated)
        result.drift_pct = _drifts(
            before,
            _measure_sentinels(measurer, stop, file, progress, "checking the device again"),
        )
    return result


def _measure_in_batches(
    measurer: Measurer,
    items: Sequence[Item],
    space_file: Path,
    stop: Stop,
    rng: np.random.Generator,
) -> Iterator[ItemResult]:
    """Measure the items in random order, in batches.

    A batch has no results until its workloads were visited twice. It is lost if the command ends
    before that.
    """
    order = rng.permutation(len(items))
    for start in range(0, len(items), _BATCH_ITEMS):
        # Each with its own id: the same workload may have been drawn twice.
        batch = [
            items[index].model_copy(update={"id": uuid.uuid4().hex})
            for index in order[start : start + _BATCH_ITEMS]
        ]
        yield from measure_all(
            measurer, batch, lambda item: space_file, lambda: not stop.is_set(), rng
        )


def _measure_sentinels(
    measurer: Measurer, stop: Stop, file: TextIO, progress: Progress, stage: str
) -> dict[Sentinel, float | None]:
    """Write sentinel samples to the file; returns undisturbed latencies in ms."""
    latencies: dict[Sentinel, float | None] = dict.fromkeys(SENTINELS)
    for done, sentinel in enumerate(SENTINELS):
        progress(stage, done, len(SENTINELS))
        if stop.is_set():
            break
        try:
            sample = read_sentinel(measurer, sentinel)
        except Interrupted:
            break
        if sample is not None:
            _write(file, sample)
        latencies[sentinel] = undisturbed_ms(sample)
    progress(stage, len(SENTINELS), len(SENTINELS))
    return latencies


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


def _write(file: TextIO, sample: Sample) -> None:
    file.write(sample.model_dump_json(exclude_none=True) + "\n")
    file.flush()


def _count(result: SpaceResult, sample: Sample, *, repeated: bool) -> None:
    result.samples += 1
    result.networks += sample.kind == "network"
    result.disturbed += sample.disturbed
    result.repeated += repeated
    if sample.disturbed or sample.session is None or sample.measured_at is None:
        return
    sessions = result.readings.setdefault(workload_key(sample.workload), {})
    reading = (sample.measured_at, sample.latency_ms)
    sessions.setdefault(sample.session, []).append(reading)
