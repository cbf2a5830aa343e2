"""A limit that, once passed, holds until the value has come back some way."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Latch:
    """Trips past `limit` and lets go at `release`, so that it does not flap at the limit.

    Values above `limit` trip it, or with `low` those below. `tripped_by` is the one that did.
    """

    limit: float
    release: float
    low: bool = False
    tripped_by: float | None = field(default=None, init=False)

    def holds(self, value: float) -> bool:
        """Whether it holds once this value was seen."""
        if self.tripped_by is None:
            if value < self.limit if self.low else value > self.limit:
                self.tripped_by = value
        elif value >= self.release if self.low else value <= self.release:
            self.tripped_by = None
        return self.tripped_by is not None
