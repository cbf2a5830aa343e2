"""One instant on both clocks of a machine."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True)
class ClockPair:
    """The same instant on the wall clock and on the monotonic clock, in seconds."""

    wall: float
    monotonic: float

    @classmethod
    def now(cls) -> ClockPair:
        return cls(time.time(), time.monotonic())
