"""A job: several workloads measured on one target, each in visits that are apart in time."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import structlog

from lpnet.schemas.sample import Measurement, Sample
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.messages import (
    FileRequest,
    Item,
    SessionInfo,
    Setup,
    VisitResult,
    WorkloadRequest,
)
from lpnet_agent.measure.process import MeasuringProcess
from lpnet_agent.stop import Stop

log = structlog.get_logger()

# While it waits for the next visit a job looks around this often: leases want to be held.
_LOOK_S = 0.5
# Rounds, as a multiple of the visits that patience allows.
_ROUNDS = 2


@dataclass(frozen=True)
class ItemResult:
    """What became of an item: a sample, or the reason why there is none, which may be that it
    does not fit in memory."""

    item: Item
    sample: Sample | None
    reason: str | None = None
    out_of_memory: bool = False


@dataclass(frozen=True)
class VisitSchedule:
    """At most `visits` visits to a workload; the first two at least `gap_s` apart, and every
    further one twice as long after the one before."""

    visits: int = 4
    gap_s: float = 0.25

    def gap(self, visit: int) -> float:
        """Seconds between the beginning of the visit before and that of this one (from 0)."""
        return self.gap_s * 2.0 ** (visit - 1) if visit else 0.0


class SupportsMeasure(Protocol):
    """Whoever measures one workload from beginning to end."""

    def measure(
        self,
        item: Item,
        space_file: Path,
        should_continue: Callable[[], bool] | None = None,
        visits: int | None = None,
    ) -> Sample:
        """Raises MeasureFailed with the reason; the next one can be measured nevertheless, unless
        it is Interrupted. `go_on` is asked before every visit and while resting, `visits` takes
        the place of the usual patience."""
        ...


class SupportsVisits(Protocol):
    """What a job needs of whoever measures."""

    @property
    def schedule(self) -> VisitSchedule: ...

    def visit(self, item: Item, space_file: Path, *, first: bool, visits: int) -> Sample | None:
        """Measure a workload once more, or for the first time: its sample if that was the last of
        at most `visits` visits, None if another is wanted. Raises as `measure` does."""
        ...

    def rest(self, seconds: float) -> None:
        """Wait, but not longer than the agent lives."""
        ...


class MeasuringSession(Protocol):
    """What a measurer measures in, until it is closed; see process.MeasuringProcess."""

    @property
    def ready(self) -> SessionInfo: ...

    @property
    def alive(self) -> bool: ...

    def measure(self, ask: WorkloadRequest | FileRequest, timeout_s: float) -> VisitResult:
        """Have one workload visited. Raises MeasureFailed."""
        ...

    def close(self) -> None: ...


class Measurer:
    """Measures on one target, in a process that is replaced when it dies, hangs, or should be
    fresh. `timed_s` adds up the timed repeats, `busy_s` all of measuring."""

    def __init__(
        self,
        setup: Setup,
        stop: Stop,
        timeout_s: float = 60.0,
        begin: Callable[[], MeasuringSession] | None = None,
    ) -> None:
        """Starts the process; where networks run elsewhere, `begin` begins a session there.
        Raises BadSetup if it cannot start."""
        self._stop = stop
        self._timeout_s = timeout_s
        self._beat: Callable[[], object] | None = None
        self._begin = begin or (lambda: MeasuringProcess(setup, stop))
        self._process = self._begin()
        self.schedule = VisitSchedule(setup.visits, setup.gap_s)
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
    def ready(self) -> SessionInfo:
        """What the measuring process said of its runtime and session."""
        return self._process.ready

    @contextmanager
    def meanwhile(self, beat: Callable[[], object]) -> Iterator[None]:
        """`beat` is called every second or so of whatever takes long, as far as the session can
        tell: a large network on its way to a phone may outlast a lease."""
        self._beat = beat
        try:
            yield
        finally:
            self._beat = None

    def beat(self) -> None:
        """Something that takes long is under way."""
        if self._beat is not None:
            self._beat()

    def renew(self) -> None:
        """Begin a new session: a new process."""
        self._process.close()
        self._process = self._begin()

    def measure(
        self,
        item: Item,
        space_file: Path,
        should_continue: Callable[[], bool] | None = None,
        visits: int | None = None,
    ) -> Sample:
        """See Measures; `go_on` as in `measure_all`, `visits` in place of what patience allows.
        Raises BadSetup if a process has to be replaced and cannot be."""
        schedule = replace(self.schedule, visits=visits or self.schedule.visits)
        asked = should_continue or (lambda: True)
        for result in measure_all(
            self,
            [item],
            lambda _: space_file,
            lambda: not self._stop.is_set() and asked(),
            schedule=schedule,
        ):
            if result.sample is None:
                reason = result.reason or "the measuring process gave no reason"
                raise MeasureFailed(reason, out_of_memory=result.out_of_memory)
            return result.sample
        raise Interrupted("the agent was asked to end")

    def visit(self, item: Item, space_file: Path, *, first: bool, visits: int) -> Sample | None:
        """See Visits. Raises BadSetup if a process has to be replaced and cannot be."""
        ask = WorkloadRequest(item=item, space_file=str(space_file), first=first, visits=visits)
        return self._answer(ask).sample

    def visit_file(self, model: Path, *, first: bool) -> Measurement | None:
        """The same for an ONNX file as it is: what it came to, None if another visit is wanted."""
        visits = self.schedule.visits
        return self._answer(
            FileRequest(model_file=str(model), first=first, visits=visits)
        ).measurement

    def _answer(self, ask: WorkloadRequest | FileRequest) -> VisitResult:
        alone = not self._process.alive
        if alone:
            self.renew()
        try:
            answer = self._process.measure(ask, self._timeout_s)
        except MeasureFailed as error:
            if alone or not error.out_of_memory:
                raise
            # Networks between their visits were loaded too: by itself it may fit.
            self.renew()
            answer = self._process.measure(ask, self._timeout_s)
        self.timed_s += answer.timed_s
        self.busy_s += answer.total_s
        if answer.error is not None:
            raise MeasureFailed(answer.error, out_of_memory=answer.out_of_memory)
        return answer

    def rest(self, seconds: float) -> None:
        """See Visits."""
        self._stop.wait(seconds)


def measure_all(
    measurer: SupportsVisits,
    items: Sequence[Item],
    space_file: Callable[[Item], Path],
    should_continue: Callable[[], bool],
    rng: np.random.Generator | None = None,
    schedule: VisitSchedule | None = None,
) -> Iterator[ItemResult]:
    """Measure items in rounds, each result as it is known.

    A round visits every item that is not settled, in random order (as they come, without `rng`). A
    second round always follows, with other work or a rest in between, because what disturbs for a
    moment shows when two moments are compared; then rounds go on, ever further apart, until the
    item is settled or `patience` (the measurer's own where it is None) ends: it stays disturbed.
    `go_on` is called before every visit and while resting; once it says False, what is not settled
    yet is left out.
    """
    schedule = schedule or measurer.schedule
    left, started = list(items), -math.inf
    # A measuring process that is replaced forgets its visits: they are made again, within reason.
    for number in range(_ROUNDS * schedule.visits):
        if not left or not _rested(measurer, started + schedule.gap(number), should_continue):
            return
        started = time.monotonic()
        unsettled = []
        for index in np.arange(len(left)) if rng is None else rng.permutation(len(left)):
            item = left[index]
            if not should_continue():
                return
            result = _visited(measurer, item, space_file(item), number == 0, schedule.visits)
            if result is None:
                return
            if result.sample is None and result.reason is None:
                unsettled.append(item)
            else:
                yield result
        left = unsettled
    for item in left:
        yield ItemResult(item, None, "the measuring process was replaced again and again")


def _visited(
    measurer: SupportsVisits, item: Item, space_file: Path, first: bool, visits: int
) -> ItemResult | None:
    """What a visit came to, without sample and reason where another is wanted; None if the agent
    is to end."""
    try:
        return ItemResult(item, measurer.visit(item, space_file, first=first, visits=visits))
    except Interrupted:
        return None
    except MeasureFailed as error:
        log.warning("workload failed", kind=item.kind, block=item.workload.block, why=str(error))
        return ItemResult(item, None, str(error) or "unknown", error.out_of_memory)


def _rested(measurer: SupportsVisits, until: float, should_continue: Callable[[], bool]) -> bool:
    """Wait until then; False if measuring is to end first."""
    while (seconds := until - time.monotonic()) > 0:
        if not should_continue():
            return False
        measurer.rest(min(seconds, _LOOK_S))
    return True
