"""Short probes of arithmetic between the repeats of a visit.

A neighbour on the other hyperthread of a core, and the clock of a package whose other cores become
busy, show in no counter of a virtual machine. A neighbour slows a workload 1.2 to 1.7 times, for
30 ms to minutes, and the clock varies by some percent. A probe that always does the same work is
slowed as well, and tells which repeats ran beside it.
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
# Matrices of this side fit in the smallest first-level cache, beside some of the workload's data.
_SIDE = 48
# A reading is the median of a few parts, each so short that a pause of the CPU spoils at most one.
_PRODUCTS, _PARTS = 8, 3
_PAGE = 4096


@dataclass(frozen=True)
class Probes:
    """Readings in chronological order: arrays of one length, ns. `at`: start of each reading."""

    at: NDArray[np.int64]
    arithmetic_ns: Values


class Prober:
    """Times a matrix product; a reading lasts less than a tenth of a millisecond."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._factor, self._product = _page_aligned(2)
        self._factor.fill(1 / _SIDE)

    def read(self) -> float:
        """Time of a product, ns."""
        return sorted(self._time_products() for _ in range(_PARTS))[_PARTS // 2] / _PRODUCTS

    def _time_products(self) -> int:
        start = self._clock.wall()
        for _ in range(_PRODUCTS):
            np.dot(self._factor, self._factor, out=self._product)
        return self._clock.wall() - start


def _page_aligned(count: int) -> list[NDArray[np.float32]]:
    """Matrices at the start of pages: otherwise their time depends on where a process happens to
    have them."""
    matrix = np.dtype((np.float32, (_SIDE, _SIDE)))
    stride = -(-matrix.itemsize // _PAGE) * _PAGE
    memory = np.zeros(count * stride + _PAGE, dtype=np.uint8)
    start = -memory.ctypes.data % _PAGE
    parts = (memory[start + i * stride :][: matrix.itemsize] for i in range(count))
    return [part.view(np.float32).reshape(_SIDE, _SIDE) for part in parts]


class ProbeLog:
    """Takes a reading whenever the last one is older than the interval."""

    def __init__(self, read: Callable[[], float], clock: Clock) -> None:
        self._read = read
        self._clock = clock
        self._rows: list[tuple[int, float]] = []
        self.take()

    def take(self) -> None:
        start = self._clock.wall()
        self._rows.append((start, self._read()))

    def take_if_due(self) -> None:
        if self._clock.wall() - self._rows[-1][0] >= INTERVAL_NS:
            self.take()

    def probes(self) -> Probes:
        return Probes(
            at=np.array([start for start, _ in self._rows], dtype=np.int64),
            arithmetic_ns=np.array([reading for _, reading in self._rows]),
        )
