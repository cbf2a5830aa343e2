"""How fast memory is around every visit.

Other containers and virtual machines that share memory and caches with this device show in no
counter. Such neighbours come for a tenth of a second to minutes, and a network then takes up to
one and a half times as long, so visits may agree on a latency that is too high. The memory
sentinel reacts to them most, so a few runs of it before and after a visit reveal them.
"""

from __future__ import annotations

import logging
from collections import deque
from functools import cache

import numpy as np

from lpnet_agent.errors import OutOfMemory, RuntimeFailed
from lpnet_agent.measure.clock import Clock
from lpnet_agent.measure.messages import AnyRequest, FileRequest, Item
from lpnet_agent.measure.networks import SpaceNetwork, load_network
from lpnet_agent.measure.sentinel_workloads import template
from lpnet_agent.runtimes.base import InferenceSession, Runtime

# The standard library's: structlog and its imports would take 9 MB of the measuring process.
log = logging.getLogger(__name__)

_FAILED = "the memory sentinel cannot be run beside visits: %s"

_RUNS = 3
# The usual time is the lower quartile of the latest readings, of which there are at least a few.
_MAX_READINGS, _MIN_READINGS, _QUARTILE = 256, 8, 0.25
# The reading after one visit serves as the one before the next if that starts within this time.
_FRESH_NS = 50_000_000


class MemoryMonitor:
    """Readings of the memory sentinel in this session, and their usual level."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._clock = clock
        self._readings: deque[float] = deque(maxlen=_MAX_READINGS)
        self._read_at = 0
        self._session = _load_sentinel(runtime)
        for _ in range(_MIN_READINGS):
            if self.read_ms() is None:
                # It does not even run with nothing else loaded.
                self._session = None

    @property
    def session(self) -> InferenceSession | None:
        return self._session

    def is_loaded(self, request: AnyRequest) -> bool:
        """Whether a request is for the memory sentinel itself, which is loaded already."""
        if self._session is None or isinstance(request, FileRequest):
            return False
        item = request.item
        return item.sentinel == "memory" and item.workload == _sentinel_item().workload

    def recent_ms(self) -> float | None:
        """The last reading if it is fresh, else a new one; None if the sentinel cannot be run."""
        if self._readings and self._clock.wall() - self._read_at <= _FRESH_NS:
            return self._readings[-1]
        return self.read_ms()

    def read_ms(self) -> float | None:
        if self._session is None:
            return None
        try:
            times = self._time_runs(self._session)
        except OutOfMemory:
            return None  # beside a large network; it fits again once that is unloaded
        except RuntimeFailed as error:
            log.warning(_FAILED, error)
            self._session = None
            return None
        self._readings.append(float(np.median(times)) / 1e6)
        self._read_at = self._clock.wall()
        return self._readings[-1]

    def slower_pct(self, *readings_ms: float | None) -> float | None:
        present = [reading for reading in readings_ms if reading is not None]
        if not present:
            return None
        usual_ms = float(np.quantile(self._readings, _QUARTILE))
        return round(100 * (max(present) / usual_ms - 1), 2)

    def _time_runs(self, session: InferenceSession) -> list[int]:
        session.run(1)
        times = []
        for _ in range(_RUNS):
            start = self._clock.wall()
            session.run(1)
            times.append(self._clock.wall() - start)
        return times


@cache
def _sentinel_item() -> Item:
    return template("memory").item()


def _load_sentinel(runtime: Runtime) -> InferenceSession | None:
    space = template("memory").space
    try:
        # The agent's memory peaks while this network is loaded.
        return load_network(runtime, SpaceNetwork(space, space.dense, space.batch))
    except RuntimeFailed as error:
        log.warning(_FAILED, error)
        return None
