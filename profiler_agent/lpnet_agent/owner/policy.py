"""What the rest of the agent needs from the owner of a device."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from lpnet_agent.owner.rules import Refusal


class OwnerPolicy(Protocol):
    """Decides whether a measurement is allowed now."""

    def refusal(self, now: datetime, *, in_job: bool = False) -> Refusal | None:
        """Why nothing may be measured now; None if measuring is allowed.

        `in_job`: a job has started, and the question is whether to go on with it.
        """
        ...

    def add_measuring_time(self, seconds: float) -> None:
        """Record seconds that were spent measuring, up to now."""
        ...
