"""One workload measured inside the measuring process: from its widths to a sample."""

from __future__ import annotations

import gc
import threading
import time
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import numpy as np

from lpnet.errors import LpnetError
from lpnet.schemas.sample import Conditions, Measurement, Sample
from lpnet.schemas.workload import Kind
from lpnet_agent.errors import OutOfMemory
from lpnet_agent.measure.clock import SystemClock, tasks
from lpnet_agent.measure.conditions import Probe, between, together
from lpnet_agent.measure.interference import Seen, Verdict, judge
from lpnet_agent.measure.memory import MemoryWatch
from lpnet_agent.measure.messages import Answer, Ask, AskFile, Item, Setup
from lpnet_agent.measure.models import Models, key_of
from lpnet_agent.measure.statistics import summarise
from lpnet_agent.measure.timing import TimingPlan, time_workload
from lpnet_agent.runtimes.base import Runtime, Session

# For the repeats of a sentinel: some hundred of them. A job waits meanwhile.
_SENTINEL_S = 0.4
# Workloads between their visits: more than a job holds. What was given up with its job goes first.
_OPEN_KEPT = 64
# Loaded networks wait for their next visit, up to this many bytes of model; what does not fit is
# loaded again.
_LOADED_BYTES = 64 << 20
_NO_ROOM = (OutOfMemory, MemoryError)


def plans(setup: Setup) -> dict[Kind | Literal["sentinel"], TimingPlan]:
    """How a visit is timed. A budget is for a workload, which is visited at least twice."""
    budgets: dict[Kind | Literal["sentinel"], float] = {
        "block": setup.block_s,
        "network": setup.network_s,
        "sentinel": min(setup.network_s, _SENTINEL_S),
    }
    return {
        name: TimingPlan.of_budget(budget / 2, setup.period_s) for name, budget in budgets.items()
    }


class Bench:
    """Measures workloads one after another, in the process and on the cores it finds itself in.

    `session` names the process in every sample; `others` are the threads that are not the
    runtime's (None: those that there are now).
    """

    def __init__(
        self,
        runtime: Runtime,
        setup: Setup,
        session: str,
        root: Path = Path("/"),
        others: frozenset[int] | None = None,
    ) -> None:
        self._runtime = runtime
        self._plans = plans(setup)
        self._crowded = setup.crowded
        self._session = session
        self._clock = SystemClock()
        self._others = tasks() if others is None else others
        self._thread = threading.get_native_id()
        self._probe = Probe(setup.cores or (), root)
        # Where any company is part of the device, nobody asks for it.
        self._memory = MemoryWatch(runtime, self._clock) if setup.crowded < 1 else None
        self._models = Models()
        self._open: OrderedDict[str, _Open] = OrderedDict()

    def answer(self, ask: Ask | AskFile) -> Answer:
        """Visit what is asked. What lpnet refuses on purpose becomes an error in words."""
        start = time.perf_counter()
        key = key_of(ask)
        if ask.first:
            self._open.pop(key, None)
        try:
            work, timed_s = self._timed(key, ask)
        except (LpnetError, MemoryError) as error:
            self._open.pop(key, None)
            tight = isinstance(error, _NO_ROOM)
            return Answer(
                error=f"does not fit in memory: {error}" if tight else str(error),
                out_of_memory=tight,
                total_s=time.perf_counter() - start,
            )
        verdict = judge(work.seen, self._crowded)
        found = None
        if verdict.settled or len(work.seen) >= ask.visits:
            found = to_measurement(work.seen, verdict, self._session)
            del self._open[key]
        asked_for = ask.item if isinstance(ask, Ask) else None
        return Answer(
            sample=to_sample(asked_for, work.id, found) if asked_for and found else None,
            measurement=found if asked_for is None else None,
            visits=len(work.seen),
            timed_s=timed_s,
            total_s=time.perf_counter() - start,
        )

    def _timed(self, key: str, ask: Ask | AskFile) -> tuple[_Open, float]:
        """A workload that was visited, and seconds of timed repeats."""
        try:
            work = self._opened(key, ask)
            return work, self._visit(work, self._plan(ask))
        except _NO_ROOM:
            # What waits for its next visit holds memory too: by itself it may fit.
            for other in self._open.values():
                other.session = None
            gc.collect()
        work = self._opened(key, ask)
        return work, self._visit(work, self._plan(ask))

    def _plan(self, ask: Ask | AskFile) -> TimingPlan:
        if isinstance(ask, AskFile):
            return self._plans["network"]
        return self._plans["sentinel" if ask.item.sentinel else ask.item.kind]

    def _opened(self, key: str, ask: Ask | AskFile) -> _Open:
        given = ask.item.id if isinstance(ask, Ask) else None
        work = self._open.setdefault(key, _Open(given or uuid.uuid4().hex))
        self._open.move_to_end(key)
        if len(self._open) > _OPEN_KEPT:
            self._open.popitem(last=False)
        if work.session is None:
            self._load(work, ask)
        return work

    def _load(self, work: _Open, ask: Ask | AskFile) -> None:
        if self._memory is not None and self._memory.is_of(ask):
            # It is loaded already, and large for a small board.
            work.session, work.threads = self._memory.session, tasks() - self._others
            return
        model = self._models.model(ask)
        before = tasks()
        work.session = self._runtime.load(model)
        # A runtime has threads for each network, or one pool for all.
        work.threads = tasks() - before or tasks() - self._others
        work.bytes = len(model)
        self._make_room()

    def _make_room(self) -> None:
        """Unload what waits longest, until what is loaded fits; what was seen is kept."""
        loaded = [work for work in self._open.values() if work.session is not None]
        excess = sum(work.bytes for work in loaded) - _LOADED_BYTES
        for work in loaded[:-1]:
            if excess <= 0:
                return
            work.session = None
            excess -= work.bytes

    def _visit(self, work: _Open, plan: TimingPlan) -> float:
        """Time it once more; seconds of timed repeats."""
        assert work.session is not None
        # The runtime's own threads beside this one; those of other networks are idle.
        self._clock.watch(work.threads | {self._thread})
        memory = self._memory
        fast = None if memory is None else memory.latest()
        before = self._probe.read()
        # A collection in the middle of a repeat would be timed with it.
        gc.collect()
        gc.disable()
        try:
            visit = time_workload(work.session.run, plan, self._clock, work.inner)
        finally:
            gc.enable()
        work.inner = visit.repeats.inner
        conditions = between(before, self._probe.read())
        if memory is not None:
            slower = memory.slower_pct(fast, memory.read())
            conditions = conditions.model_copy(update={"memory_pct": slower})
        work.seen.append(Seen(visit, conditions))
        return visit.timed_s


class _Open:
    """A workload between its visits."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.session: Session | None = None
        self.threads: frozenset[int] = frozenset()
        self.bytes = 0
        self.inner: int | None = None
        self.seen: list[Seen] = []


def to_sample(item: Item, id_: str, found: Measurement) -> Sample:
    """A measurement of a workload, as it travels."""
    return Sample(
        kind=item.kind,
        workload=item.workload,
        id=id_,
        draw=item.draw,
        sentinel=item.sentinel,
        **{name: getattr(found, name) for name in Measurement.model_fields},
    )


def to_measurement(seen: Sequence[Seen], verdict: Verdict, session: str) -> Measurement:
    """What all visits came to. Where no repeat counts, the latency is that of all repeats: it is
    marked as disturbed."""
    counted = [one.values for one in verdict.believed if one.values.size]
    summary = summarise(counted or [one.visit.repeats.ms for one in seen])
    return Measurement(
        latency_ms=summary.median,
        std_ms=summary.std,
        count=summary.count,
        p10_ms=summary.p10,
        p90_ms=summary.p90,
        min_ms=summary.least,
        ci_low_ms=summary.ci_low,
        ci_high_ms=summary.ci_high,
        converged=summary.precision <= TimingPlan.precision,
        measured_at=datetime.now(UTC),
        session=session,
        disturbed=not verdict.settled,
        reasons=verdict.reasons,
        conditions=_conditions(seen),
    )


def _conditions(seen: Sequence[Seen]) -> Conditions:
    """What was read around all visits, and what became of their repeats."""
    repeats = [one.visit.repeats for one in seen]
    waited = [part.waited for part in repeats if part.waited is not None]
    taken = sum(len(part) for part in repeats)
    undisturbed = sum(int(one.undisturbed.sum()) for one in seen)
    figures = {
        "visits_ms": tuple(one.median_ms for one in seen if one.median_ms is not None),
        "plain_ms": float(np.median(np.concatenate([part.ms for part in repeats]))),
        "runs": taken,
        "waiting_runs": taken - undisturbed,
        "slow_runs": undisturbed - sum(int(one.counted.sum()) for one in seen),
        "wall_s": sum(float(part.wall.sum()) for part in repeats) / 1e9,
        "cpu_s": sum(float(part.cpu.sum()) for part in repeats) / 1e9,
        "waited_s": sum(float(part.sum()) for part in waited) / 1e9 if waited else None,
    }
    return together([one.conditions for one in seen]).model_copy(update=figures)
