"""Whether the owner of the device allows a measurement now."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

from lpnet_agent.owner.limits import Limits, check
from lpnet_agent.owner.load import Load
from lpnet_agent.owner.pause import PauseFile
from lpnet_agent.owner.rules import (
    Charge,
    Crowd,
    Heat,
    Mains,
    Paused,
    Portion,
    Quiet,
    Refusal,
)
from lpnet_agent.owner.share import Share


class _Rule(Protocol):
    def refusal(self, now: datetime) -> Refusal | None: ...


class Owner:
    """To be asked before every job, and before every workload of it."""

    def __init__(
        self,
        limits: Limits,
        state: Path,
        root: Path = Path("/"),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`state` is the agent's folder, `root` the file system or a copy of it.

        Raises BadSetup for a limit that cannot be kept on this device.
        """
        check(limits, root)
        # A share of all the time is no limit, and the bucket would make it one.
        share = limits.max_share if limits.max_share != 1 else None
        self._share = None if share is None else Share(share, clock=monotonic)
        self._portion = None
        if share is not None and self._share is not None:
            self._portion = Portion(share, self._share)
        self._rules = tuple(_rules(limits, state, root, Load(root, monotonic)))

    def refusal(self, now: datetime, *, begun: bool = False) -> Refusal | None:
        """Why nothing may be measured now, or None. What cannot be read any more is a reason.

        The share of time refuses between jobs only: a job that was `begun` is finished, and its
        time is saved up afterwards. One that does not fit in what is saved up would never end.
        """
        found = (rule.refusal(now.astimezone()) for rule in self._rules)
        refusal = next((refusal for refusal in found if refusal is not None), None)
        if refusal is None and self._portion is not None and not begun:
            return self._portion.refusal(now)
        return refusal

    def worked(self, seconds: float) -> None:
        """Seconds were spent measuring, up to now."""
        if self._share is not None:
            self._share.worked(seconds)


def _rules(limits: Limits, state: Path, root: Path, load: Load) -> Iterator[_Rule]:
    """In the order in which they are asked: what the owner says now comes first."""
    yield Paused(PauseFile(state))
    if limits.quiet_hours:
        yield Quiet(limits.quiet_hours)
    if limits.max_temperature_c is not None:
        yield Heat(limits.max_temperature_c, root)
    if limits.min_battery_pct is not None:
        yield Charge(limits.min_battery_pct, root)
    if not limits.on_battery:
        yield Mains(root)
    if limits.max_load is not None:
        yield Crowd(limits.max_load, load)
