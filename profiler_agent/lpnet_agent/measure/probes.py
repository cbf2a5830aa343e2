"""Short probes of arithmetic and memory between the repeats of a visit.

A neighbour on the other hyperthread of a core, or on the memory that guests of a host share, shows
in no counter. It slows a workload 1.05 to 1.7 times, for 30 ms to minutes. Probes that always do
the same work are slowed as well, and tell which repeats ran beside it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lpnet_agent.measure.clock import Clock
from lpnet_agent.measure.statistics import Values

# Time between two probes, about the length of the shortest spells.
INTERVAL_NS = 10_000_000
# Three products of this side fit in the smallest first-level cache.
_SIDE = 48
_PRODUCTS = 8
_PARTS = 3
# The buffer is larger than a core's own caches. A read part of it is small beside them, so that
# the workload's data stays there.
_BUFFER_BYTES = 16 << 20
_PART_BYTES = 64 << 10


@dataclass(frozen=True)
class Reading:
    """Times of a matrix product, and of a read of 64 KB beyond a core's own caches, ns."""

    arithmetic_ns: float
    memory_ns: float


@dataclass(frozen=True)
class Probes:
    """Readings in chronological order: arrays of one length, ns. `at`: start of each reading."""

    at: NDArray[np.int64]
    arithmetic_ns: Values
    memory_ns: Values


class ProbeLog:
    """Takes a reading whenever the last one is older than the interval."""

    def __init__(self, read: Callable[[], Reading], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._rows: list[tuple[int, Reading]] = []
        self.take()

    def take(self) -> None:
        start = self._clock.wall()
        self._rows.append((start, self._read()))

    def take_if_due(self) -> None:
        if self._clock.wall() - self._rows[-1][0] >= INTERVAL_NS:
            self.take()

    def probes(self) -> Probes:
        readings = [reading for _, reading in self._rows]
        return Probes(
            at=np.array([start for start, _ in self._rows], dtype=np.int64),
            arithmetic_ns=np.array([reading.arithmetic_ns for reading in readings]),
            memory_ns=np.array([reading.memory_ns for reading in readings]),
        )


class Prober:
    """Takes readings; one lasts about a tenth of a millisecond."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._factor = np.full((_SIDE, _SIDE), 1 / _SIDE, dtype=np.float32)
        self._product = np.empty_like(self._factor)
        self._buffer = np.ones(_BUFFER_BYTES // 8, dtype=np.int64)
        self._next = 0

    def read(self) -> Reading:
        """The median of a few parts, each so short that a pause of the CPU spoils at most one."""
        arithmetic = [self._multiply() for _ in range(_PARTS)]
        memory = [self._stream() for _ in range(_PARTS)]
        return Reading(
            sorted(arithmetic)[_PARTS // 2] / _PRODUCTS, float(sorted(memory)[_PARTS // 2])
        )

    def _multiply(self) -> int:
        start = self._clock.wall()
        for _ in range(_PRODUCTS):
            np.dot(self._factor, self._factor, out=self._product)
        return self._clock.wall() - start

    def _stream(self) -> int:
        size = _PART_BYTES // 8
        part = self._buffer[self._next : self._next + size]
        self._next = (self._next + size) % self._buffer.size
        start = self._clock.wall()
        part.sum()
        return self._clock.wall() - start
