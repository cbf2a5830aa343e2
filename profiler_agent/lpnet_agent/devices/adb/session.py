"""A measuring session on a phone, which takes the place of the measuring process."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from lpnet.errors import LpnetError
from lpnet_agent.devices.adb.file_store import FileStore
from lpnet_agent.devices.adb.measurement import select_visits, to_measurement
from lpnet_agent.devices.adb.visit import BenchmarkRunner, FileMissing, PhoneVisit
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.messages import AnyRequest, SessionInfo, Setup, VisitResult
from lpnet_agent.measure.networks import NetworkLoader
from lpnet_agent.measure.open_workloads import OpenWorkloads
from lpnet_agent.measure.plan import TimingPlans
from lpnet_agent.measure.results import to_result

# Converts an ONNX model to the format of the phone's runtime.
Convert = Callable[[bytes], bytes]

# How often a network is written for one visit if it disappears from the phone.
_MAX_PUSHES = 2


@dataclass
class _OpenWorkload:
    """A workload between its visits. `name`: of its file on the phone, once it was written."""

    id: str
    name: str | None = None
    visits: list[PhoneVisit] = field(default_factory=list)


class PhoneSession:
    """See MeasuringSession. Every visit is a separate process on the phone; the samples of a
    session are those between two calls of `Measurer.renew`."""

    def __init__(
        self,
        setup: Setup,
        info: SessionInfo,
        runner: BenchmarkRunner,
        store: FileStore,
        convert: Convert,
    ) -> None:
        self.info = info
        self.alive = True
        self._plans = TimingPlans.from_setup(setup)
        self._crowded = setup.crowded
        self._runner = runner
        self._store = store
        self._convert = convert
        self._networks = NetworkLoader()
        self._open = OpenWorkloads(_OpenWorkload)

    def visit(self, request: AnyRequest, timeout_s: float) -> VisitResult:
        """Make one visit, which may take `timeout_s` on the phone.

        Raises DeviceUnavailable if the phone cannot be reached, or Interrupted if the agent is
        stopping. Earlier visits are kept then.
        """
        start = time.perf_counter()
        if request.first:
            self._open.close(request)
        try:
            work = self._open.get(request)
            visit = self._run_benchmark(work, request, timeout_s)
        except Interrupted:
            raise
        except LpnetError as error:
            self._open.close(request)
            return VisitResult(
                error=str(error),
                out_of_memory=isinstance(error, MeasureFailed) and error.out_of_memory,
                total_s=time.perf_counter() - start,
            )
        work.visits.append(visit)
        measurement = None
        settled = not select_visits(work.visits, self._crowded).reasons
        if settled or len(work.visits) >= request.visits:
            measurement = to_measurement(work.visits, self.info.session, self._crowded)
            self._open.close(request)
        result = to_result(request, work.id, measurement)
        times = {"timed_s": visit.timing.total_s, "total_s": time.perf_counter() - start}
        return result.model_copy(update={"visits": len(work.visits), **times})

    def close(self) -> None:
        # Only files remain on the phone, and the store removes them.
        self.alive = False

    def _run_benchmark(
        self, work: _OpenWorkload, request: AnyRequest, timeout_s: float
    ) -> PhoneVisit:
        for _ in range(_MAX_PUSHES):
            if work.name is None or work.name not in self._store:
                model = self._networks.network(request).to_bytes()
                work.name = self._store.put_network(self._convert(model))
            try:
                return self._runner.visit(work.name, self._plans.for_request(request), timeout_s)
            except FileMissing:
                # Somebody has cleaned up the phone, or it was reset.
                self._store.restore(work.name)
        raise MeasureFailed("files that are written to the phone disappear at once")
