"""How long to wait for a server that does not answer."""

from __future__ import annotations

import random


class Backoff:
    """Doubles from `first_s` to `most_s`, with a fifth of jitter so that agents do not return
    all at once. `reset` after a success."""

    def __init__(self, first_s: float = 0.5, most_s: float = 30.0) -> None:
        self._first_s = first_s
        self._most_s = most_s
        self._failures = 0

    def next(self) -> float:
        """Seconds to wait now."""
        base = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return base * random.uniform(0.8, 1.2)

    def reset(self) -> None:
        self._failures = 0
