"""Rate limits: a token bucket for each token, in this process."""

from __future__ import annotations

from datetime import datetime
from threading import Lock

_BURST_S = 2.0


class Buckets:
    """How many requests each key may still send. A bucket fills with `per_s` a second, and holds
    those of two seconds, or one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._left: dict[str, tuple[float, datetime]] = {}

    def take(self, key: str, per_s: float, now: datetime) -> float:
        """Take one request: 0, or the seconds until there is one to take."""
        most = max(1.0, _BURST_S * per_s)
        with self._lock:
            left, since = self._left.get(key, (most, now))
            # A clock that goes back fills nothing.
            left = min(most, left + per_s * max(0.0, (now - since).total_seconds()))
            granted = left >= 1.0
            self._left[key] = (left - 1.0 if granted else left, now)
            return 0.0 if granted else (1.0 - left) / per_s
