"""Rate limits: a token bucket per key, in this process."""

from __future__ import annotations

from datetime import datetime
from threading import Lock

_BURST_S = 2.0


class RateLimiter:
    """One token bucket per key. A bucket refills at `per_s` requests a second and holds the
    requests of two seconds, but at least one."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._buckets: dict[str, tuple[float, datetime]] = {}

    def acquire(self, key: str, per_s: float, now: datetime) -> float:
        """Take one request from a bucket. Returns 0 if it is granted, otherwise the seconds to
        wait."""
        capacity = max(1.0, _BURST_S * per_s)
        with self._lock:
            level, updated_at = self._buckets.get(key, (capacity, now))
            # A clock that was set back refills nothing.
            elapsed_s = max(0.0, (now - updated_at).total_seconds())
            level = min(capacity, level + per_s * elapsed_s)
            granted = level >= 1.0
            self._buckets[key] = (level - 1.0 if granted else level, now)
            return 0.0 if granted else (1.0 - level) / per_s
