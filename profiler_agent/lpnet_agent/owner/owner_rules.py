"""The rules of a device's owner: pauses, quiet hours and limits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Protocol

from lpnet_agent.owner.limits import Limits, check_limits
from lpnet_agent.owner.load import RecentLoad
from lpnet_agent.owner.pause import PauseFile
from lpnet_agent.owner.rules import (
    BatteryRule,
    LoadRule,
    MainsRule,
    PauseRule,
    QuietHoursRule,
    Refusal,
    TemperatureRule,
    TimeBudgetRule,
)
from lpnet_agent.owner.time_budget import TimeBudget


class _Rule(Protocol):
    def refusal(self, now: datetime) -> Refusal | None: ...


class OwnerRules:
    """Allows measuring while no rule refuses it; see policy.OwnerPolicy."""

    def __init__(
        self,
        limits: Limits,
        state: Path,
        root: Path = Path("/"),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """`state` is the agent's folder, `root` the file system or a copy of it.

        Raises SetupError for a limit that this device cannot keep.
        """
        check_limits(limits, root)
        self._rules = tuple(_rules(limits, state, root, RecentLoad(root, monotonic)))
        self._budget: TimeBudget | None = None
        self._budget_rule: TimeBudgetRule | None = None
        # A share of 1 is no limit, but a budget would make it one.
        if limits.max_share is not None and limits.max_share < 1:
            self._budget = TimeBudget(limits.max_share, clock=monotonic)
            self._budget_rule = TimeBudgetRule(limits.max_share, self._budget)

    def refusal(self, now: datetime, *, in_job: bool = False) -> Refusal | None:
        """Why nothing may be measured now. A value that can no longer be read counts as a reason.

        The time budget refuses between jobs only: otherwise a job that exceeds it would never end.
        The excess is saved up before the next job.
        """
        refusals = (rule.refusal(now.astimezone()) for rule in self._rules)
        refusal = next((refusal for refusal in refusals if refusal is not None), None)
        if refusal is None and self._budget_rule is not None and not in_job:
            return self._budget_rule.refusal(now)
        return refusal

    def add_measuring_time(self, seconds: float) -> None:
        if self._budget is not None:
            self._budget.spend(seconds)


def _rules(limits: Limits, state: Path, root: Path, load: RecentLoad) -> Iterator[_Rule]:
    # In order of precedence: a pause, which the owner has just requested, comes first.
    yield PauseRule(PauseFile(state))
    if limits.quiet_hours:
        yield QuietHoursRule(limits.quiet_hours)
    if limits.max_temperature_c is not None:
        yield TemperatureRule(limits.max_temperature_c, root)
    if limits.min_battery_pct is not None:
        yield BatteryRule(limits.min_battery_pct, root)
    if not limits.on_battery:
        yield MainsRule(root)
    if limits.max_load is not None:
        yield LoadRule(limits.max_load, load)
