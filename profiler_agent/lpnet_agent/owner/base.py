"""What the rest of the agent needs from the owner of a device."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from lpnet_agent.owner.rules import Refusal


class OwnerPolicy(Protocol):
    """Whether the owner of a device allows a measurement now."""

    def refusal(self, now: datetime, *, begun: bool = False) -> Refusal | None:
        """Why nothing may be measured now, or None. `begun`: a job has started."""
        ...

    def worked(self, seconds: float) -> None:
        """Record seconds that were spent measuring, up to now."""
        ...
