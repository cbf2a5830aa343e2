"""How long to wait before the next request to a server that does not answer."""

from __future__ import annotations

import random


class Backoff:
    """Waiting times that double from `first_s` to `max_s`, with 20% jitter.

    The jitter keeps agents from returning all at once. Call `reset` after a success.
    """

    def __init__(self, first_s: float = 0.5, max_s: float = 30.0) -> None:
        self._first_s = first_s
        self._max_s = max_s
        self._failures = 0

    def next(self) -> float:
        base_s = min(self._max_s, self._first_s * 2.0 ** min(self._failures, 32))
        self._failures += 1
        return base_s * random.uniform(0.8, 1.2)

    def reset(self) -> None:
        self._failures = 0
