"""Time, as something that can be handed in."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time. Leases, ages and stamps all ask one of these, so tests need no sleep."""

    def now(self) -> datetime:
        """The present moment, with zone UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)
