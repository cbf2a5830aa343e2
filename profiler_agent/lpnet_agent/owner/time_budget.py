"""The share of its time that a device may spend measuring."""

from __future__ import annotations

import time
from collections.abc import Callable

WINDOW_S = 600.0
# Capacity of the bucket, relative to the window. With more, an agent would pause for minutes at a
# time; with less, it would pause after every job.
_CAPACITY = 0.1


class TimeBudget:
    """A token bucket whose tokens are seconds of measuring.

    In any period of `window_s`, at most `share` of it is spent measuring, plus the excess of the
    last job. That excess is a debt, paid before the next job, so the bucket fills a little more
    slowly than `share`. It is empty at first, so that restarting an agent gains nothing.
    """

    def __init__(
        self,
        share: float,
        window_s: float = WINDOW_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = share / (1 + _CAPACITY)
        self._capacity = self._rate * _CAPACITY * window_s
        self._clock = clock
        self._updated_at = clock()
        self._tokens = 0.0
        self._filling = True

    def wait_s(self) -> float:
        """Seconds until measuring is allowed, 0.0 if it is now. Once empty, it fills up first."""
        self._fill()
        if self._tokens <= 0:
            self._filling = True
        if self._filling and self._tokens < self._capacity:
            return (self._capacity - self._tokens) / self._rate
        self._filling = False
        return 0.0

    def spend(self, seconds: float) -> None:
        self._fill()
        self._tokens -= seconds

    def _fill(self) -> None:
        now = self._clock()
        elapsed_s = max(0.0, now - self._updated_at)
        self._tokens = min(self._capacity, self._tokens + self._rate * elapsed_s)
        self._updated_at = now
