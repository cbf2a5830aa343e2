"""A limit that, once exceeded, stays in effect until the value has come back some way."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass
class Hysteresis:
    """Becomes active beyond `limit` and inactive at `release`, so that it does not flap.

    Values above `limit` activate it; with `low`, values below. `trigger` is the value that did,
    None while it is inactive.
    """

    limit: float
    release: float
    low: bool = False
    trigger: float | None = field(default=None, init=False)

    def update(self, value: float) -> bool:
        """Returns whether the limit is in effect now."""
        if self.trigger is None:
            if value < self.limit if self.low else value > self.limit:
                self.trigger = value
        elif value >= self.release if self.low else value <= self.release:
            self.trigger = None
        return self.trigger is not None
