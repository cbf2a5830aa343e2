"""A job: several workloads measured in random order on one target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import structlog

from lpnet.schemas.sample import Sample
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.messages import Item, Ready, Setup
from lpnet_agent.measure.process import MeasuringProcess
from lpnet_agent.stop import Stop

log = structlog.get_logger()


@dataclass(frozen=True)
class Measured:
    """What became of an item: a sample, or the reason why there is none."""

    item: Item
    sample: Sample | None
    reason: str | None = None


class Measures(Protocol):
    """What a job needs of whoever measures."""

    def measure(self, item: Item, space_file: Path) -> Sample:
        """One workload. Raises MeasureFailed with the reason; the next one can be measured
        nevertheless, unless it is Interrupted."""
        ...


class Measurer:
    """Measures on one target, in a process that is replaced when it dies, hangs, or should be
    fresh. `timed_s` adds up warm-ups and repeats, `busy_s` all of measuring."""

    def __init__(self, setup: Setup, stop: Stop, timeout_s: float = 60.0) -> None:
        """Starts the process. Raises BadSetup if it cannot start."""
        self._setup = setup
        self._stop = stop
        self._timeout_s = timeout_s
        self._process = MeasuringProcess(setup, stop)
        self.timed_s = 0.0
        self.busy_s = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._process.close()

    @property
    def ready(self) -> Ready:
        """What the measuring process said of its runtime and session."""
        return self._process.ready

    def renew(self) -> None:
        """Begin a new session: a new process."""
        self._process.close()
        self._process = MeasuringProcess(self._setup, self._stop)

    def measure(self, item: Item, space_file: Path) -> Sample:
        """See Measures. Raises BadSetup if a process has to be replaced and cannot be."""
        if not self._process.alive:
            self.renew()
        answer = self._process.measure(item, space_file, self._timeout_s)
        self.timed_s += answer.timed_s
        self.busy_s += answer.total_s
        if answer.sample is None:
            raise MeasureFailed(answer.error or "the measuring process gave no reason")
        return answer.sample


def measure_all(
    measurer: Measures,
    items: Sequence[Item],
    space_file: Callable[[Item], Path],
    go_on: Callable[[], bool],
    rng: np.random.Generator | None = None,
) -> Iterator[Measured]:
    """Measure items in random order (as they come, without `rng`), each result as it is known.

    A disturbed measurement is repeated once when all others are done, and the better of the two
    is kept. `go_on` is called before every workload; once it says False, what is not measured
    yet is left out.
    """
    order = np.arange(len(items)) if rng is None else rng.permutation(len(items))
    disturbed: list[Measured] = []
    for index in order:
        result = _measure(measurer, items[index], space_file) if go_on() else None
        if result is None:
            break
        if result.sample is not None and result.sample.disturbed:
            disturbed.append(result)
        else:
            yield result
    for first in disturbed:
        yield _better(first, _measure(measurer, first.item, space_file) if go_on() else None)


def _measure(
    measurer: Measures, item: Item, space_file: Callable[[Item], Path]
) -> Measured | None:
    """None if the agent is to end before the workload did."""
    try:
        return Measured(item, measurer.measure(item, space_file(item)))
    except Interrupted:
        return None
    except MeasureFailed as error:
        log.warning("workload failed", kind=item.kind, block=item.workload.block, why=str(error))
        return Measured(item, None, str(error))


def _better(first: Measured, again: Measured | None) -> Measured:
    """The undisturbed one, or else the one that had more of the CPU."""
    if again is None or again.sample is None:
        return first
    return again if _calm(again.sample) >= _calm(first.sample) else first


def _calm(sample: Sample | None) -> tuple[bool, float]:
    seen = sample.conditions if sample else None
    if sample is None or seen is None or not seen.wall_s or seen.cpu_s is None:
        return (False, 0.0)
    return (not sample.disturbed, seen.cpu_s / seen.wall_s)
