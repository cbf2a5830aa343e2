"""One workload measured inside the measuring process: from its widths to a sample."""

from __future__ import annotations

import gc
import threading
import time
import uuid
from collections import OrderedDict
from pathlib import Path
from typing import Literal

from lpnet.errors import LpnetError
from lpnet.schemas.sample import Conditions
from lpnet.schemas.workload import Kind
from lpnet_agent.errors import OutOfMemory
from lpnet_agent.gpu import conditions as gpu_conditions
from lpnet_agent.gpu.device import Gpu, GpuReading
from lpnet_agent.gpu.library import on_gpu
from lpnet_agent.measure.clock import SystemClock, tasks
from lpnet_agent.measure.conditions import Probe, Snapshot, between
from lpnet_agent.measure.interference import VisitRecord, select_visits
from lpnet_agent.measure.malloc import trim
from lpnet_agent.measure.memory import MemoryWatch
from lpnet_agent.measure.messages import FileRequest, Setup, VisitResult, WorkloadRequest
from lpnet_agent.measure.networks import NetworkLoader, load, request_key
from lpnet_agent.measure.plan import TimingPlan
from lpnet_agent.measure.results import to_measurement, to_sample
from lpnet_agent.measure.timing import DeviceTimer, time_workload
from lpnet_agent.runtimes.base import DeviceTimedSession, InferenceSession, PoolsMemory, Runtime

# For the repeats of a sentinel: some hundred of them. A job waits meanwhile.
_SENTINEL_S = 0.4
# Workloads between their visits: more than a job holds. What was given up with its job goes first.
_OPEN_KEPT = 64
# Loaded networks wait for their next visit, up to this many bytes of what they hold; what does not
# fit is loaded again. The process may have to fit on a small board.
_LOADED_BYTES = 24 << 20
_NO_ROOM = (OutOfMemory, MemoryError)


def plans(setup: Setup) -> dict[Kind | Literal["sentinel"], TimingPlan]:
    """How a visit is timed. A budget is for a workload, which is visited at least twice."""
    budgets: dict[Kind | Literal["sentinel"], float] = {
        "block": setup.block_s,
        "network": setup.network_s,
        "sentinel": min(setup.network_s, _SENTINEL_S),
    }
    offloaded = on_gpu(setup.provider)
    return {
        name: TimingPlan.from_budget(budget / 2, setup.period_s, offloaded=offloaded)
        for name, budget in budgets.items()
    }


class VisitRunner:
    """Measures workloads one after another, in the process and on the cores it finds itself in.

    `session` names the process in every sample; `others` are the threads that are not the
    runtime's (None: those that there are now); `gpu` is the one that the runtime runs on, None
    where there is none or nothing is known of it.
    """

    def __init__(
        self,
        runtime: Runtime,
        setup: Setup,
        session: str,
        root: Path = Path("/"),
        others: frozenset[int] | None = None,
        gpu: Gpu | None = None,
    ) -> None:
        self._runtime = runtime
        self._pooled = isinstance(runtime, PoolsMemory) and runtime.pools_memory
        self._gpu = gpu
        self._offloaded = on_gpu(setup.provider)
        self._plans = plans(setup)
        self._crowded = setup.crowded
        self._session = session
        self._clock = SystemClock()
        self._others = tasks() if others is None else others
        self._thread = threading.get_native_id()
        self._probe = Probe(setup.cores or (), root)
        # Where any company is part of the device, nobody asks for it.
        self._memory = MemoryWatch(runtime, self._clock) if setup.crowded < 1 else None
        self._models = NetworkLoader()
        self._open: OrderedDict[str, _Open] = OrderedDict()

    def answer(self, ask: WorkloadRequest | FileRequest) -> VisitResult:
        """Visit what is asked. What lpnet refuses on purpose becomes an error in words."""
        start = time.perf_counter()
        key = request_key(ask)
        if ask.first:
            self._open.pop(key, None)
        try:
            work, timed_s = self._timed(key, ask)
        except (LpnetError, MemoryError) as error:
            self._open.pop(key, None)
            tight = isinstance(error, _NO_ROOM)
            return VisitResult(
                error=f"does not fit in memory: {error}" if tight else str(error),
                out_of_memory=tight,
                total_s=time.perf_counter() - start,
            )
        verdict = select_visits(work.seen, self._crowded)
        found = None
        if verdict.settled or len(work.seen) >= ask.visits:
            found = to_measurement(work.seen, verdict, self._session)
            del self._open[key]
        asked_for = ask.item if isinstance(ask, WorkloadRequest) else None
        return VisitResult(
            sample=to_sample(asked_for, work.id, found) if asked_for and found else None,
            measurement=found if asked_for is None else None,
            visits=len(work.seen),
            timed_s=timed_s,
            total_s=time.perf_counter() - start,
        )

    def _timed(self, key: str, ask: WorkloadRequest | FileRequest) -> tuple[_Open, float]:
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

    def _plan(self, ask: WorkloadRequest | FileRequest) -> TimingPlan:
        if isinstance(ask, FileRequest):
            return self._plans["network"]
        return self._plans["sentinel" if ask.item.sentinel else ask.item.kind]

    def _opened(self, key: str, ask: WorkloadRequest | FileRequest) -> _Open:
        given = ask.item.id if isinstance(ask, WorkloadRequest) else None
        work = self._open.setdefault(key, _Open(given or uuid.uuid4().hex))
        self._open.move_to_end(key)
        if len(self._open) > _OPEN_KEPT:
            self._open.popitem(last=False)
        if work.session is None:
            self._load(work, ask)
        return work

    def _load(self, work: _Open, ask: WorkloadRequest | FileRequest) -> None:
        if self._memory is not None and self._memory.is_of(ask):
            # It is loaded already, and large for a small board.
            work.session, work.threads = self._memory.session, tasks() - self._others
            return
        network = self._models.network(ask)
        coming = network.held(self._pooled)
        self._make_room(coming)
        before = tasks()
        work.session = load(self._runtime, network)
        # A runtime has threads for each network, or one pool for all.
        work.threads = tasks() - before or tasks() - self._others
        work.bytes = coming
        trim()

    def _make_room(self, coming: int) -> None:
        """Unload what waits longest, until what is loaded fits beside what comes; what was seen is
        kept."""
        loaded = [work for work in self._open.values() if work.session is not None]
        excess = sum(work.bytes for work in loaded) + coming - _LOADED_BYTES
        for work in loaded:
            if excess <= 0:
                break
            work.session = None
            excess -= work.bytes
        trim()

    def _visit(self, work: _Open, plan: TimingPlan) -> float:
        """Time it once more; seconds of timed repeats."""
        assert work.session is not None
        # The runtime's own threads beside this one; those of other networks are idle.
        self._clock.watch(work.threads | {self._thread})
        memory = self._memory
        fast = None if memory is None else memory.latest()
        before = self._read()
        # A collection in the middle of a repeat would be timed with it.
        gc.collect()
        gc.disable()
        try:
            visit = time_workload(
                work.session.run, plan, self._clock, work.inner, self._device(work.session)
            )
        finally:
            gc.enable()
        work.inner = visit.repeats.inner
        conditions = _between(before, self._read())
        if memory is not None:
            slower = memory.slower_pct(fast, memory.read())
            conditions = conditions.model_copy(update={"memory_pct": slower})
        work.seen.append(VisitRecord(visit, conditions))
        return visit.timed_s

    def _read(self) -> tuple[Snapshot, GpuReading | None]:
        """What is read right before and right after the runs."""
        return self._probe.read(), None if self._gpu is None else self._gpu.reading()

    def _device(self, session: InferenceSession) -> DeviceTimer | None:
        """What else there is to timing on a GPU."""
        if isinstance(session, DeviceTimedSession):
            return DeviceTimer(session.prepare if session.prepares else None, session.device_ms)
        return DeviceTimer() if self._offloaded else None


class _Open:
    """A workload between its visits."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.session: InferenceSession | None = None
        self.threads: frozenset[int] = frozenset()
        self.bytes = 0
        self.inner: int | None = None
        self.seen: list[VisitRecord] = []


def _between(
    before: tuple[Snapshot, GpuReading | None], after: tuple[Snapshot, GpuReading | None]
) -> Conditions:
    found = between(before[0], after[0])
    if before[1] is None or after[1] is None:
        return found
    return found.model_copy(update={"gpu": gpu_conditions.between(before[1], after[1])})
