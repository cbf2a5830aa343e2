"""The share of its time that a device may spend measuring."""

from __future__ import annotations

import time
from collections.abc import Callable

WINDOW_S = 600.0
# Time is saved up for bursts this part of the window long: with more, an agent would rest for
# minutes on end; with less, it would begin jobs all the time and rest after each.
_SAVED = 0.1


class Share:
    """A token bucket whose tokens are seconds of measuring.

    In any stretch of `window_s` at most `share` of it is spent measuring, and what the job that
    was begun last takes beyond that: a debt, which is paid before the next one. Hence it
    fills a little more slowly than `share`, and is empty at first: an agent that is started again
    and again gains nothing by it.
    """

    def __init__(
        self,
        share: float,
        window_s: float = WINDOW_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = share / (1 + _SAVED)
        self._most = self._rate * _SAVED * window_s
        self._clock = clock
        self._at = clock()
        self._tokens = 0.0
        self._waiting = True

    def wait_s(self) -> float:
        """Seconds until something may be measured; 0.0: now. Once used up, it fills first."""
        self._fill()
        if self._tokens <= 0:
            self._waiting = True
        if self._waiting and self._tokens < self._most:
            return (self._most - self._tokens) / self._rate
        self._waiting = False
        return 0.0

    def worked(self, seconds: float) -> None:
        """Seconds were spent measuring, up to now."""
        self._fill()
        self._tokens -= seconds

    def _fill(self) -> None:
        now = self._clock()
        self._tokens = min(self._most, self._tokens + self._rate * max(0.0, now - self._at))
        self._at = now
