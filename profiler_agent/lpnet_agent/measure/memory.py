"""How fast memory is around every visit.

Who shares memory and caches with this device from another container or virtual machine shows in no
counter of it. Such neighbours come in spells of a tenth of a second to minutes in which a network
takes up to one and a half times as long: visits may well agree on a slow number. The memory
sentinel feels them most, so a few runs of it before and after a visit tell.
"""

from __future__ import annotations

import logging
from collections import deque
from functools import cache

import numpy as np

from lpnet_agent.errors import OutOfMemory, RuntimeFailed
from lpnet_agent.measure.clock import Clock
from lpnet_agent.measure.messages import FileRequest, Item, WorkloadRequest
from lpnet_agent.measure.networks import SpaceNetwork, load
from lpnet_agent.runtimes.base import InferenceSession, Runtime
from lpnet_agent.sentinels.templates import template

# Python's own: structlog and what it imports would take 9 MB of the measuring process.
log = logging.getLogger(__name__)

_CANNOT = "the memory sentinel cannot be run beside visits: %s"

_RUNS = 3
# What is usual is the lower quartile of that many latest readings, once there are a few.
_KEPT, _LEAST, _QUARTILE = 256, 8, 0.25
# A reading after one visit serves before the next, if that begins so soon.
_FRESH_NS = 50_000_000


class MemoryWatch:
    """Readings of the memory sentinel in this session, and what is usual for them."""

    def __init__(self, runtime: Runtime, clock: Clock) -> None:
        self._clock = clock
        self._readings: deque[float] = deque(maxlen=_KEPT)
        self._taken_at = 0
        self._session = _loaded(runtime)
        for _ in range(_LEAST):
            if self.read() is None:
                # Even with nothing else loaded.
                self._session = None

    @property
    def session(self) -> InferenceSession | None:
        """The memory sentinel, loaded; None where it cannot be run."""
        return self._session

    def is_of(self, ask: WorkloadRequest | FileRequest) -> bool:
        """Whether that is the network that is watched, and loaded."""
        if self._session is None or isinstance(ask, FileRequest):
            return False
        return ask.item.sentinel == "memory" and ask.item.workload == _item().workload

    def latest(self) -> float | None:
        """A reading of just now, ms; None where the sentinel cannot be run."""
        if self._readings and self._clock.wall() - self._taken_at <= _FRESH_NS:
            return self._readings[-1]
        return self.read()

    def read(self) -> float | None:
        """Median of a few runs, ms; None where the sentinel cannot be run."""
        if self._session is None:
            return None
        try:
            walls = self._walls(self._session)
        except OutOfMemory:
            return None  # beside a large network; once that is gone there is room again
        except RuntimeFailed as error:
            log.warning(_CANNOT, error)
            self._session = None
            return None
        self._readings.append(float(np.median(walls)) / 1e6)
        self._taken_at = self._clock.wall()
        return self._readings[-1]

    def _walls(self, session: InferenceSession) -> list[int]:
        session.run(1)
        walls = []
        for _ in range(_RUNS):
            start = self._clock.wall()
            session.run(1)
            walls.append(self._clock.wall() - start)
        return walls

    def slower_pct(self, *readings: float | None) -> float | None:
        """How much the slowest of them is above what is usual, percent."""
        known = [reading for reading in readings if reading is not None]
        if not known:
            return None
        usual = float(np.quantile(self._readings, _QUARTILE))
        return round(100 * (max(known) / usual - 1), 2)


@cache
def _item() -> Item:
    return template("memory").item()


def _loaded(runtime: Runtime) -> InferenceSession | None:
    space = template("memory").space
    try:
        # Most of what an agent holds at a time is this network while it is loaded.
        return load(runtime, SpaceNetwork(space, space.dense, space.batch))
    except RuntimeFailed as error:
        log.warning(_CANNOT, error)
        return None
