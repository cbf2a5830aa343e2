"""Measuring a space with no server: from a space file to a samples file."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

import numpy as np

from lpnet.errors import FileFormatError
from lpnet.schemas.campaign import PlannedWorkload
from lpnet.schemas.condition import drift_pct
from lpnet.schemas.sample import Sample, Sentinel
from lpnet.schemas.workload import SpaceWorkload, workload_key
from lpnet.space.sampling import plan
from lpnet.space.space import Space
from lpnet_agent.errors import BadSetup, Interrupted
from lpnet_agent.measure.job import ItemResult, Measurer, measure_all
from lpnet_agent.measure.messages import Item
from lpnet_agent.sentinels.health import SENTINELS
from lpnet_agent.sentinels.readings import latency_ms, read
from lpnet_agent.stop import Stop

Widths = Mapping[str, int] | Sequence[int]
Progress = Callable[[int, int], None]

# As many workloads as a job of some seconds has.
_PART = 24


@dataclass(frozen=True)
class Wish:
    """What to measure: drawn blocks and networks, networks at given widths, and how many of them
    all to repeat in a second session."""

    blocks: int = 0
    networks: int = 0
    widths: tuple[Widths, ...] = ()
    repeats: int = 0
    seed: int = 0
    batch: int = 1


@dataclass
class Outcome:
    """What came of it, sentinels apart. `spreads` are the differences between two sessions,
    relative to their mean; `drift_pct` is how far each sentinel moved from before to after, null
    without an undisturbed reading at both ends."""

    samples: int = 0
    networks: int = 0
    disturbed: int = 0
    repeated: int = 0
    failures: list[str] = field(default_factory=list)
    spreads: list[float] = field(default_factory=list)
    drift_pct: dict[Sentinel, float | None] = field(default_factory=dict)

    @property
    def noise_floor_pct(self) -> float | None:
        """Median spread between sessions in percent; None under three repeated workloads."""
        return 100 * float(np.median(self.spreads)) if len(self.spreads) >= 3 else None


def read_space(path: Path) -> Space:
    """The space in a file. Raises FileFormatError naming the file."""
    try:
        return Space.load(path)
    except OSError as error:
        raise FileFormatError(f"{path}: {error.strerror}") from error


def planned(space: Space, wish: Wish) -> list[Item]:
    """The workloads to measure. Raises WidthsError for given widths that the space has not."""
    drawn = plan(
        space, blocks=wish.blocks, networks=wish.networks, seed=wish.seed, batch=wish.batch
    )
    asked = [
        PlannedWorkload(
            kind="network",
            workload=SpaceWorkload(
                space=space.hash, widths=space.named(space.vector(widths)), batch=wish.batch
            ),
            draw="asked",
        )
        for widths in wish.widths
    ]
    items = [Item(kind=p.kind, workload=p.workload, draw=p.draw) for p in (*asked, *drawn)]
    if not items:
        raise BadSetup("nothing to measure: ask for --blocks, --networks or --widths")
    return items


def measure_space(
    measurer: Measurer,
    space_file: Path,
    items: Sequence[Item],
    out: Path,
    wish: Wish,
    stop: Stop,
    progress: Progress,
) -> Outcome:
    """Measure items, then some of them again in a new process, and the sentinels before and
    after. Every sample is in `out` as soon as it is known, so an end in the middle loses
    little."""
    rng = np.random.default_rng(wish.seed)
    again = [items[i] for i in rng.permutation(len(items))[: wish.repeats]]
    outcome = Outcome()
    first: dict[str, Sample] = {}
    total, done = len(items) + len(again), 0
    with out.open("w", encoding="utf-8") as file:
        before = _sentinels(measurer, stop, file)
        for session, batch in enumerate((items, again)):
            if session and batch:
                measurer.renew()
            for result in _in_parts(measurer, batch, space_file, stop, rng):
                done += 1
                progress(done, total)
                if result.sample is None:
                    outcome.failures.append(result.reason or "unknown")
                    continue
                _write(file, result.sample)
                _count(outcome, result.sample, first, repeated=bool(session))
        outcome.drift_pct = _drifts(before, _sentinels(measurer, stop, file))
    return outcome


def _in_parts(
    measurer: Measurer,
    items: Sequence[Item],
    space_file: Path,
    stop: Stop,
    rng: np.random.Generator,
) -> Iterator[ItemResult]:
    """Measure items in random order, a part at a time: of the part in hand nothing is known until
    its workloads were visited twice, and an end loses it."""
    order = rng.permutation(len(items))
    for start in range(0, len(items), _PART):
        # Ids of their own: the same workload may have been drawn twice.
        part = [
            items[index].model_copy(update={"id": uuid.uuid4().hex})
            for index in order[start : start + _PART]
        ]
        yield from measure_all(
            measurer, part, lambda item: space_file, lambda: not stop.is_set(), rng
        )


def _sentinels(measurer: Measurer, stop: Stop, file: TextIO) -> dict[Sentinel, float | None]:
    """Read the sentinels into the file; their undisturbed latencies in ms, null without one."""
    seen: dict[Sentinel, float | None] = dict.fromkeys(SENTINELS)
    for sentinel in SENTINELS:
        if stop.is_set():
            break
        try:
            sample = read(measurer, sentinel)
        except Interrupted:
            break
        if sample is not None:
            _write(file, sample)
        seen[sentinel] = latency_ms(sample)
    return seen


def _drifts(
    before: dict[Sentinel, float | None], after: dict[Sentinel, float | None]
) -> dict[Sentinel, float | None]:
    found: dict[Sentinel, float | None] = {}
    for sentinel, was_ms in before.items():
        now_ms = after[sentinel]
        if was_ms is None or now_ms is None:
            found[sentinel] = None
        else:
            found[sentinel] = drift_pct(now_ms, was_ms)
    return found


def _write(file: TextIO, sample: Sample) -> None:
    file.write(sample.model_dump_json(exclude_none=True) + "\n")
    file.flush()


def _count(outcome: Outcome, sample: Sample, first: dict[str, Sample], *, repeated: bool) -> None:
    outcome.samples += 1
    outcome.networks += sample.kind == "network"
    outcome.disturbed += sample.disturbed
    outcome.repeated += repeated
    key = workload_key(sample.workload)
    before = first.setdefault(key, sample)
    if before.session != sample.session:
        mean = (before.latency_ms + sample.latency_ms) / 2
        outcome.spreads.append(abs(before.latency_ms - sample.latency_ms) / mean)
