"""Visits to workloads inside the measuring process."""

from __future__ import annotations

import gc
import threading
import time
from pathlib import Path

from lpnet.errors import LpnetError
from lpnet.schemas.sample import Conditions
from lpnet_agent.errors import OutOfMemory
from lpnet_agent.gpu import conditions as gpu_conditions
from lpnet_agent.gpu.device import Gpu, GpuReading
from lpnet_agent.gpu.library import on_gpu
from lpnet_agent.measure.clock import SystemClock, tasks
from lpnet_agent.measure.conditions import Probe, Snapshot, between
from lpnet_agent.measure.interference import VisitRecord, select_visits
from lpnet_agent.measure.malloc import release_freed_memory
from lpnet_agent.measure.memory import MemoryMonitor
from lpnet_agent.measure.messages import AnyRequest, Setup, VisitResult
from lpnet_agent.measure.networks import NetworkLoader, load_network
from lpnet_agent.measure.open_workloads import OpenWorkloads
from lpnet_agent.measure.plan import TimingPlan, TimingPlans
from lpnet_agent.measure.probe_levels import ProbeLevels
from lpnet_agent.measure.probes import Prober
from lpnet_agent.measure.results import to_measurement, to_result
from lpnet_agent.measure.timing import DeviceTimer, time_workload
from lpnet_agent.runtimes.base import (
    DeviceTimedSession,
    InferenceSession,
    PoolsMemory,
    Runtime,
)

# Networks stay loaded until their next visit, up to this much memory in total; others are loaded
# again. The process may have to fit on a small board.
_MAX_LOADED_BYTES = 24 << 20
_OUT_OF_MEMORY = (OutOfMemory, MemoryError)


class VisitRunner:
    """Visits workloads one at a time, in this process and on the cores that it is pinned to.

    `session` identifies the process in every sample. `agent_threads` are the threads that do not
    belong to the runtime, by default those that exist now. `gpu` is the GPU that the runtime uses,
    None if it uses none or nothing is known of it.
    """

    def __init__(
        self,
        runtime: Runtime,
        setup: Setup,
        session: str,
        root: Path = Path("/"),
        agent_threads: frozenset[int] | None = None,
        gpu: Gpu | None = None,
    ) -> None:
        self._runtime = runtime
        self._pooled = isinstance(runtime, PoolsMemory) and runtime.pools_memory
        self._gpu = gpu
        self._offloaded = on_gpu(setup.provider)
        self._plans = TimingPlans.from_setup(setup)
        self._crowded = setup.crowded
        self._session = session
        self._clock = SystemClock()
        self._agent_threads = tasks() if agent_threads is None else agent_threads
        self._thread = threading.get_native_id()
        self._probe = Probe(setup.cores or (), root)
        # With crowded=1 other load is part of the device and is not looked for.
        self._memory = MemoryMonitor(runtime, self._clock) if setup.crowded < 1 else None
        # Between paced inferences the core sleeps, which a probe must not change. A GPU's own
        # neighbours are no concern of the CPU.
        probed = setup.crowded < 1 and setup.fps is None and not self._offloaded
        self._prober = Prober(self._clock) if probed else None
        self._networks = NetworkLoader()
        self._open = OpenWorkloads(_OpenWorkload)

    def run(self, request: AnyRequest) -> VisitResult:
        """Make one visit. Errors that lpnet raises on purpose become the result's `error`."""
        start = time.perf_counter()
        if request.first:
            self._open.close(request)
        try:
            work, timed_s = self._visit_with_retry(request)
        except (LpnetError, MemoryError) as error:
            self._open.close(request)
            out_of_memory = isinstance(error, _OUT_OF_MEMORY)
            return VisitResult(
                error=f"does not fit in memory: {error}" if out_of_memory else str(error),
                out_of_memory=out_of_memory,
                total_s=time.perf_counter() - start,
            )
        levels = request.levels.improved(work.records[-1].visit.repeats.probes)
        for record in work.records:
            record.compare(levels)
        selection = select_visits(work.records, self._crowded)
        measurement = None
        if selection.settled or len(work.records) >= request.visits:
            measurement = to_measurement(work.records, selection, self._session)
            self._open.close(request)
        result = to_result(request, work.id, measurement)
        times = {"timed_s": timed_s, "total_s": time.perf_counter() - start}
        update = {"visits": len(work.records), "levels": levels, **times}
        return result.model_copy(update=update)

    def _visit_with_retry(self, request: AnyRequest) -> tuple[_OpenWorkload, float]:
        """The visited workload, and seconds of timed repeats."""
        plan = self._plans.for_request(request)
        try:
            work = self._loaded(request)
            return work, self._visit(work, plan, request.levels)
        except _OUT_OF_MEMORY:
            # Other open workloads hold memory too; alone this one may fit.
            for open_work in self._open:
                open_work.session = None
            gc.collect()
        work = self._loaded(request)
        return work, self._visit(work, plan, request.levels)

    def _loaded(self, request: AnyRequest) -> _OpenWorkload:
        work = self._open.get(request)
        if work.session is None:
            self._load(work, request)
        return work

    def _load(self, work: _OpenWorkload, request: AnyRequest) -> None:
        if self._memory is not None and self._memory.is_loaded(request):
            # Loading it twice would take a lot of a small board's memory.
            work.session, work.threads = self._memory.session, tasks() - self._agent_threads
            return
        network = self._networks.network(request)
        size = network.loaded_bytes(self._pooled)
        self._unload_for(size)
        before = tasks()
        work.session = load_network(self._runtime, network)
        # A runtime has threads for each network, or one pool for all of them.
        work.threads = tasks() - before or tasks() - self._agent_threads
        work.bytes = size
        release_freed_memory()

    def _unload_for(self, size: int) -> None:
        """Unload the networks visited longest ago until `size` more bytes fit; the records of
        their visits are kept."""
        loaded = [work for work in self._open if work.session is not None]
        excess = sum(work.bytes for work in loaded) + size - _MAX_LOADED_BYTES
        for work in loaded:
            if excess <= 0:
                break
            work.session = None
            excess -= work.bytes
        release_freed_memory()

    def _visit(self, work: _OpenWorkload, plan: TimingPlan, levels: ProbeLevels) -> float:
        assert work.session is not None
        # The runtime's threads for this network, and this thread. Those of others are idle.
        self._clock.watch(work.threads | {self._thread})
        memory = self._memory
        memory_before_ms = None if memory is None else memory.recent_ms()
        before = self._read_conditions()
        # A garbage collection during a repeat would be timed with it.
        gc.collect()
        gc.disable()
        try:
            visit = time_workload(
                work.session.run,
                plan,
                self._clock,
                work.inner,
                self._timer(work.session),
                None if self._prober is None else self._prober.read,
                levels,
            )
        finally:
            gc.enable()
        work.inner = visit.repeats.inner
        conditions = _between(before, self._read_conditions())
        if memory is not None:
            slower_pct = memory.slower_pct(memory_before_ms, memory.read_ms())
            conditions = conditions.model_copy(update={"memory_pct": slower_pct})
        work.records.append(VisitRecord(visit, conditions))
        return visit.timed_s

    def _read_conditions(self) -> tuple[Snapshot, GpuReading | None]:
        return self._probe.read(), None if self._gpu is None else self._gpu.reading()

    def _timer(self, session: InferenceSession) -> DeviceTimer | None:
        if isinstance(session, DeviceTimedSession):
            return DeviceTimer(session.prepare if session.prepares else None, session.device_ms)
        return DeviceTimer() if self._offloaded else None


class _OpenWorkload:
    """A workload between its visits. `inner`: inferences per repeat, once calibrated."""

    def __init__(self, id_: str) -> None:
        self.id = id_
        self.session: InferenceSession | None = None
        self.threads: frozenset[int] = frozenset()
        self.bytes = 0
        self.inner: int | None = None
        self.records: list[VisitRecord] = []


def _between(
    before: tuple[Snapshot, GpuReading | None], after: tuple[Snapshot, GpuReading | None]
) -> Conditions:
    conditions = between(before[0], after[0])
    if before[1] is None or after[1] is None:
        return conditions
    return conditions.model_copy(update={"gpu": gpu_conditions.between(before[1], after[1])})
