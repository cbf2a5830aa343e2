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
from lpnet.stop import Stop
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.messages import (
    AnyRequest,
    FileRequest,
    Item,
    SessionInfo,
    Setup,
    VisitResult,
    WorkloadRequest,
)
from lpnet_agent.measure.probe_levels import UNKNOWN
from lpnet_agent.measure.process import MeasuringProcess

log = structlog.get_logger()

# While a job waits for the next visit it calls `should_continue` this often, which holds leases.
_POLL_S = 0.5
# Maximum number of rounds, as a multiple of the visits per workload.
_ROUNDS_PER_VISIT = 2


@dataclass(frozen=True)
class ItemResult:
    """The result of an item: a sample, or the reason why there is none."""

    item: Item
    sample: Sample | None
    reason: str | None = None
    out_of_memory: bool = False


@dataclass(frozen=True)
class VisitSchedule:
    """At most `visits` visits to a workload. The first two start at least `gap_s` apart; the gap
    doubles with every further visit."""

    visits: int = 4
    gap_s: float = 0.25

    def gap_before_s(self, visit: int) -> float:
        """Seconds from the start of the previous visit to the start of this one. Visits are
        counted from 0."""
        return self.gap_s * 2.0 ** (visit - 1) if visit else 0.0


class SupportsMeasure(Protocol):
    """Measures one workload in all its visits."""

    def measure(
        self,
        item: Item,
        space_file: Path,
        should_continue: Callable[[], bool] | None = None,
        visits: int | None = None,
    ) -> Sample:
        """`should_continue` is called before every visit and while waiting. `visits` replaces the
        schedule's maximum.

        Raises MeasureFailed with the reason, after which other workloads can still be measured, or
        its subclass Interrupted.
        """
        ...


class SupportsVisits(Protocol):
    """Makes the visits of a job."""

    @property
    def schedule(self) -> VisitSchedule: ...

    def visit(self, item: Item, space_file: Path, *, first: bool, visits: int) -> Sample | None:
        """Time a workload once more, or for the first time.

        Returns None if another visit is needed, and its sample otherwise, at the latest after
        `visits` visits. Raises as SupportsMeasure.measure does.
        """
        ...

    def wait(self, seconds: float) -> None:
        """Sleep, but return early if the agent is stopping."""
        ...


class MeasuringSession(Protocol):
    """Where workloads are timed: a MeasuringProcess on this machine, or a session on a phone."""

    @property
    def info(self) -> SessionInfo: ...

    @property
    def alive(self) -> bool: ...

    def visit(self, request: AnyRequest, timeout_s: float) -> VisitResult:
        """Make one visit. Raises MeasureFailed."""
        ...

    def close(self) -> None: ...


class Measurer:
    """Measures on one target, in a session that is replaced when it dies, hangs, or should be
    fresh. `levels` are the best of the probes in the epoch, `timed_s` adds up the timed repeats,
    and `busy_s` all time spent measuring."""

    def __init__(
        self,
        setup: Setup,
        stop: Stop,
        timeout_s: float = 60.0,
        start_session: Callable[[], MeasuringSession] | None = None,
    ) -> None:
        """Starts a session, by default a measuring process. Raises SetupError if it cannot
        start."""
        self._stop = stop
        self._timeout_s = timeout_s
        self._heartbeat: Callable[[], object] | None = None
        self._start_session = start_session or (lambda: MeasuringProcess(setup, stop))
        self._session = self._start_session()
        self.schedule = VisitSchedule(setup.visits, setup.gap_s)
        self.levels = UNKNOWN
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
        self._session.close()

    @property
    def session_info(self) -> SessionInfo:
        return self._session.info

    @contextmanager
    def heartbeat(self, callback: Callable[[], object]) -> Iterator[None]:
        """Within the context, call `callback` about every second of a long operation that reports
        progress.

        Sending a large network to a phone may take longer than a lease.
        """
        self._heartbeat = callback
        try:
            yield
        finally:
            self._heartbeat = None

    def beat(self) -> None:
        if self._heartbeat is not None:
            self._heartbeat()

    def renew(self) -> None:
        self._session.close()
        self._session = self._start_session()

    def measure(
        self,
        item: Item,
        space_file: Path,
        should_continue: Callable[[], bool] | None = None,
        visits: int | None = None,
    ) -> Sample:
        """See SupportsMeasure. Raises SetupError if a session has to be replaced and cannot be."""
        schedule = replace(self.schedule, visits=visits or self.schedule.visits)
        caller_continues = should_continue or (lambda: True)
        for result in measure_all(
            self,
            [item],
            lambda _: space_file,
            lambda: not self._stop.is_set() and caller_continues(),
            schedule=schedule,
        ):
            if result.sample is None:
                reason = result.reason or "the measuring process gave no reason"
                raise MeasureFailed(reason, out_of_memory=result.out_of_memory)
            return result.sample
        raise Interrupted("the agent is stopping")

    def visit(self, item: Item, space_file: Path, *, first: bool, visits: int) -> Sample | None:
        """See SupportsVisits. Raises SetupError if a session has to be replaced and cannot be."""
        request = WorkloadRequest(
            item=item, space_file=str(space_file), first=first, visits=visits
        )
        return self._visit(request).sample

    def visit_file(self, model: Path, *, first: bool) -> Measurement | None:
        """Visit an ONNX file; its measurement, or None if another visit is needed."""
        request = FileRequest(model_file=str(model), first=first, visits=self.schedule.visits)
        return self._visit(request).measurement

    def _visit(self, request: AnyRequest) -> VisitResult:
        fresh = not self._session.alive
        if fresh:
            self.renew()
        request = request.model_copy(update={"levels": self.levels})
        try:
            result = self._session.visit(request, self._timeout_s)
        except MeasureFailed as error:
            if fresh or not error.out_of_memory:
                raise
            # Other workloads were loaded too; alone in a new session this one may fit.
            self.renew()
            result = self._session.visit(request, self._timeout_s)
        if result.levels.visits:  # a phone takes no probes
            self.levels = result.levels
        self.timed_s += result.timed_s
        self.busy_s += result.total_s
        if result.error is not None:
            raise MeasureFailed(result.error, out_of_memory=result.out_of_memory)
        return result

    def wait(self, seconds: float) -> None:
        self._stop.wait(seconds)


def measure_all(
    measurer: SupportsVisits,
    items: Sequence[Item],
    space_file: Callable[[Item], Path],
    should_continue: Callable[[], bool],
    rng: np.random.Generator | None = None,
    schedule: VisitSchedule | None = None,
) -> Iterator[ItemResult]:
    """Measure items in rounds; yields each result once it is final.

    A round visits every item that needs another visit, in random order, or in the given order
    without `rng`. Every item is visited in at least two rounds, apart in time, because a passing
    disturbance shows only in comparison. Further rounds follow at growing distances until the
    item's visits agree or the schedule ends; its sample is then marked as disturbed. `schedule` is
    by default the measurer's own.

    `should_continue` is called before every visit and while waiting. Once it returns False, items
    without a final result are left out.
    """
    schedule = schedule or measurer.schedule
    remaining, round_start = list(items), -math.inf
    # A session that is replaced forgets its visits, and they are repeated, up to a limit.
    for number in range(_ROUNDS_PER_VISIT * schedule.visits):
        start_at = round_start + schedule.gap_before_s(number)
        if not remaining or not _wait_until(measurer, start_at, should_continue):
            return
        round_start = time.monotonic()
        unsettled = []
        order = np.arange(len(remaining)) if rng is None else rng.permutation(len(remaining))
        for index in order:
            item = remaining[index]
            if not should_continue():
                return
            result = _visit(measurer, item, space_file(item), number == 0, schedule.visits)
            if result is None:
                return
            if result.sample is None and result.reason is None:
                unsettled.append(item)
            else:
                yield result
        remaining = unsettled
    for item in remaining:
        yield ItemResult(item, None, "the measuring process had to be replaced too often")


def _visit(
    measurer: SupportsVisits, item: Item, space_file: Path, first: bool, visits: int
) -> ItemResult | None:
    """The result of a visit, without sample and reason if another visit is needed; None if the
    agent is stopping."""
    try:
        return ItemResult(item, measurer.visit(item, space_file, first=first, visits=visits))
    except Interrupted:
        return None
    except MeasureFailed as error:
        log.warning("workload failed", kind=item.kind, block=item.workload.block, error=str(error))
        return ItemResult(item, None, str(error) or "unknown", error.out_of_memory)


def _wait_until(
    measurer: SupportsVisits, start_at: float, should_continue: Callable[[], bool]
) -> bool:
    """Returns False if measuring ends first."""
    while (seconds := start_at - time.monotonic()) > 0:
        if not should_continue():
            return False
        measurer.wait(min(seconds, _POLL_S))
    return True
