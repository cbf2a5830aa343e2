"""A session on a phone: what stands in place of the measuring process."""

from __future__ import annotations

import time
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

from lpnet.errors import LpnetError
from lpnet_agent.devices.adb.file_store import FileStore
from lpnet_agent.devices.adb.measurement import settled, to_measurement
from lpnet_agent.devices.adb.visit import BenchmarkRunner, FileMissing, PhoneVisit
from lpnet_agent.errors import Interrupted, MeasureFailed
from lpnet_agent.measure.messages import (
    FileRequest,
    SessionInfo,
    Setup,
    VisitResult,
    WorkloadRequest,
)
from lpnet_agent.measure.networks import NetworkLoader, request_key
from lpnet_agent.measure.plan import TimingPlan
from lpnet_agent.measure.results import to_sample
from lpnet_agent.measure.visits import plans

# A model of these bytes as the phone's runtime reads it.
Convert = Callable[[bytes], bytes]

_OPEN_KEPT = 64
_PUSHES = 2


@dataclass
class _Open:
    """A workload between its visits. `name`: of its file on the phone, once it was there."""

    id: str
    name: str | None = None
    seen: list[PhoneVisit] = field(default_factory=list)


class PhoneSession:
    """Visits networks on a phone. Every visit is a process of its own there; what a session holds
    together is what `renew` separates: samples of it say the same session."""

    def __init__(
        self,
        setup: Setup,
        ready: SessionInfo,
        visitor: BenchmarkRunner,
        store: FileStore,
        convert: Convert,
    ) -> None:
        self.ready = ready
        self.alive = True
        self._plans = plans(setup)
        self._crowded = setup.crowded
        self._visitor = visitor
        self._store = store
        self._convert = convert
        self._models = NetworkLoader()
        self._open: OrderedDict[str, _Open] = OrderedDict()

    def measure(self, ask: WorkloadRequest | FileRequest, timeout_s: float) -> VisitResult:
        """Have one workload visited, within `timeout_s` on the phone.

        Raises DeviceAway where the phone cannot be reached, or Interrupted if the agent is to end.
        What it had seen of other workloads is kept.
        """
        start = time.perf_counter()
        key = request_key(ask)
        if ask.first:
            self._open.pop(key, None)
        try:
            work = self._opened(key, ask)
            seen = self._visited(work, ask, timeout_s)
        except Interrupted:
            raise
        except LpnetError as error:
            self._open.pop(key, None)
            return VisitResult(
                error=str(error),
                out_of_memory=isinstance(error, MeasureFailed) and error.out_of_memory,
                total_s=time.perf_counter() - start,
            )
        work.seen.append(seen)
        found = None
        if settled(work.seen, self._crowded) or len(work.seen) >= ask.visits:
            found = to_measurement(work.seen, self.ready.session, self._crowded)
            del self._open[key]
        item = ask.item if isinstance(ask, WorkloadRequest) else None
        return VisitResult(
            sample=to_sample(item, work.id, found) if item and found else None,
            measurement=found if item is None else None,
            visits=len(work.seen),
            timed_s=seen.timing.total_s,
            total_s=time.perf_counter() - start,
        )

    def close(self, at_once: bool = False) -> None:
        """Nothing of it is left on the phone but files, which belong to the store."""
        self.alive = False

    def _visited(
        self, work: _Open, ask: WorkloadRequest | FileRequest, timeout_s: float
    ) -> PhoneVisit:
        for _ in range(_PUSHES):
            if work.name is None or not self._store.holds(work.name):
                model = self._models.network(ask).to_bytes()
                work.name = self._store.network(self._convert(model))
            try:
                return self._visitor.visit(work.name, self._plan(ask), timeout_s)
            except FileMissing:
                # Somebody cleared the phone up, or it was reset.
                self._store.lost(work.name)
        raise MeasureFailed("what is written to the phone is gone right afterwards")

    def _plan(self, ask: WorkloadRequest | FileRequest) -> TimingPlan:
        if isinstance(ask, FileRequest):
            return self._plans["network"]
        return self._plans["sentinel" if ask.item.sentinel else ask.item.kind]

    def _opened(self, key: str, ask: WorkloadRequest | FileRequest) -> _Open:
        if key not in self._open:
            given = ask.item.id if isinstance(ask, WorkloadRequest) else None
            self._open[key] = _Open(given or uuid.uuid4().hex)
        self._open.move_to_end(key)
        if len(self._open) > _OPEN_KEPT:
            self._open.popitem(last=False)
        return self._open[key]
