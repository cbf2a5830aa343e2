"""A job: several workloads measured on one target, each in visits that are apart in time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import structlog

from lpnet.schemas.sample import Sample
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.messages import Answer, Ask, Item, Ready, Setup
from lpnet_agent.measure.process import MeasuringProcess
from lpnet_agent.stop import Stop

log = structlog.get_logger()

# While it waits for the next visit a job looks around this often: leases want to be held.
_LOOK_S = 0.5


@dataclass(frozen=True)
class Measured:
    """What became of an item: a sample, or the reason why there is none."""

    item: Item
    sample: Sample | None
    reason: str | None = None


@dataclass(frozen=True)
class Visited:
    """A sample of all visits to a workload so far; `settled` needs no further one."""

    sample: Sample
    settled: bool


@dataclass(frozen=True)
class Patience:
    """At most `visits` visits to a workload; the first two at least `gap_s` apart, and every
    further one twice as long after the one before."""

    visits: int = 5
    gap_s: float = 0.5

    def gap(self, visit: int) -> float:
        """Seconds between the beginning of the visit before and that of this one (from 0)."""
        return self.gap_s * 2.0 ** (visit - 1) if visit else 0.0


class Measures(Protocol):
    """Whoever measures one workload from beginning to end."""

    def measure(self, item: Item, space_file: Path) -> Sample:
        """Raises MeasureFailed with the reason; the next one can be measured nevertheless, unless
        it is Interrupted."""
        ...


class Visits(Protocol):
    """What a job needs of whoever measures."""

    @property
    def patience(self) -> Patience: ...

    def visit(self, item: Item, space_file: Path, *, first: bool) -> Visited:
        """Measure a workload once more, or for the first time. Raises as `measure` does."""
        ...

    def rest(self, seconds: float) -> None:
        """Wait, but not longer than the agent lives."""
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
        self.patience = Patience(setup.visits, setup.gap_s)
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
        for result in measure_all(self, [item], lambda _: space_file, self._goes_on):
            if result.sample is None:
                raise MeasureFailed(result.reason or "the measuring process gave no reason")
            return result.sample
        raise Interrupted("the agent was asked to end")

    def visit(self, item: Item, space_file: Path, *, first: bool) -> Visited:
        """See Visits. Raises BadSetup if a process has to be replaced and cannot be."""
        if not self._process.alive:
            self.renew()
        ask = Ask(item=item, space_file=str(space_file), first=first)
        answer: Answer = self._process.measure(ask, self._timeout_s)
        self.timed_s += answer.timed_s
        self.busy_s += answer.total_s
        if answer.sample is None:
            raise MeasureFailed(answer.error or "the measuring process gave no reason")
        return Visited(answer.sample, answer.settled)

    def rest(self, seconds: float) -> None:
        """See Visits."""
        self._stop.wait(seconds)

    def _goes_on(self) -> bool:
        return not self._stop.is_set()


def measure_all(
    measurer: Visits,
    items: Sequence[Item],
    space_file: Callable[[Item], Path],
    go_on: Callable[[], bool],
    rng: np.random.Generator | None = None,
) -> Iterator[Measured]:
    """Measure items in rounds, each result as it is known.

    A round visits every item that is not settled, in random order (as they come, without `rng`). A
    second round always follows, with other work or a rest in between, because what disturbs for a
    moment shows when two moments are compared; then rounds go on, ever further apart, until the
    item is settled or the measurer's patience ends: it stays disturbed. `go_on` is called before
    every visit and while resting; once it says False, what is not settled yet is left out.
    """
    patience = measurer.patience
    left, started = list(items), -float("inf")
    for visit in range(patience.visits):
        if not left or not _rested(measurer, started + patience.gap(visit), go_on):
            return
        started = time.monotonic()
        unsettled = []
        last = visit == patience.visits - 1
        for index in np.arange(len(left)) if rng is None else rng.permutation(len(left)):
            item = left[index]
            if not go_on():
                return
            try:
                seen = measurer.visit(item, space_file(item), first=visit == 0)
            except Interrupted:
                return
            except MeasureFailed as error:
                block = item.workload.block
                log.warning("workload failed", kind=item.kind, block=block, why=str(error))
                yield Measured(item, None, str(error))
                continue
            if seen.settled or last:
                yield Measured(item, seen.sample)
            else:
                unsettled.append(item)
        left = unsettled


def _rested(measurer: Visits, until: float, go_on: Callable[[], bool]) -> bool:
    """Wait until then; False if measuring is to end first."""
    while (seconds := until - time.monotonic()) > 0:
        if not go_on():
            return False
        measurer.rest(min(seconds, _LOOK_S))
    return True
