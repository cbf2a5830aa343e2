"""The single rules of an owner: each refuses with a reason, or returns None.

A reason keeps its wording for as long as its cause lasts: it is shown to people, and reported to
the server when it changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lpnet.schemas.condition import Cause
from lpnet_agent.device_info.readings import battery, temperature_c
from lpnet_agent.owner.hysteresis import Hysteresis
from lpnet_agent.owner.load import RecentLoad
from lpnet_agent.owner.pause import PauseFile, format_time
from lpnet_agent.owner.quiet_hours import QuietHours, quiet_until
from lpnet_agent.owner.time_budget import TimeBudget

# How far a value has to come back before measuring resumes.
_COOLER_C = 5.0
_CHARGED_PCT = 2.0
_LOAD_RELEASE = 0.8

# When to check again. A pause may be ended at any second; readings of a device change slowly.
_PAUSE_S = 1.0
_QUIET_S = 60.0
_TEMPERATURE_S = 5.0
_BATTERY_S = 30.0
_LOAD_S = 2.0


@dataclass(frozen=True)
class Refusal:
    """Why nothing may be measured now, and after how many seconds to check again.

    `cause` names who or what refuses, as it is reported to the server.
    """

    reason: str
    retry_s: float
    cause: Cause = "owner"


class PauseRule:
    """`lpnet-agent pause` is in effect."""

    def __init__(self, file: PauseFile) -> None:
        self._file = file

    def refusal(self, now: datetime) -> Refusal | None:
        pause = self._file.read(now)
        return None if pause is None else Refusal(pause.describe(now), _PAUSE_S)


class QuietHoursRule:
    """Nothing is measured at some times of the day."""

    def __init__(self, hours: tuple[QuietHours, ...]) -> None:
        self._hours = hours

    def refusal(self, now: datetime) -> Refusal | None:
        end = quiet_until(self._hours, now.astimezone().replace(tzinfo=None))
        if end is None:
            return None
        remaining_s = end.timestamp() - now.timestamp()
        return Refusal(
            f"quiet hours until {format_time(end, now)}",
            min(_QUIET_S, max(1.0, remaining_s)),
        )


class TemperatureRule:
    """Maximum temperature of the hottest zone, in degrees C."""

    def __init__(self, max_c: float, root: Path) -> None:
        self._limit = Hysteresis(max_c, max_c - _COOLER_C)
        self._root = root

    def refusal(self, now: datetime) -> Refusal | None:
        value_c = temperature_c(self._root)
        limit, release = self._limit.limit, self._limit.release
        if value_c is None:
            reason = f"the temperature can no longer be read, and its limit is {limit:g} C"
            return Refusal(reason, _TEMPERATURE_S)
        if not self._limit.update(value_c):
            return None
        return Refusal(
            f"too hot: {self._limit.trigger:.1f} C is above the owner's limit of {limit:g} C; "
            f"measuring resumes at {release:g} C",
            _TEMPERATURE_S,
        )


class BatteryRule:
    """Minimum charge of the battery, in percent."""

    def __init__(self, min_pct: float, root: Path) -> None:
        self._limit = Hysteresis(min_pct, min(100.0, min_pct + _CHARGED_PCT), low=True)
        self._root = root

    def refusal(self, now: datetime) -> Refusal | None:
        state = battery(self._root)
        limit, release = self._limit.limit, self._limit.release
        if state is None or state.percent is None:
            reason = f"the battery's charge can no longer be read, and its limit is {limit:g}%"
            return Refusal(reason, _BATTERY_S)
        if not self._limit.update(state.percent):
            return None
        return Refusal(
            f"the battery is low: {self._limit.trigger:g}% is below the owner's limit of "
            f"{limit:g}%; measuring resumes at {release:g}%",
            _BATTERY_S,
        )


class MainsRule:
    """Nothing is measured while the device runs on its battery."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def refusal(self, now: datetime) -> Refusal | None:
        state = battery(self._root)
        if state is not None and state.discharging is False:
            return None
        problem = "the device runs on its battery"
        if state is None or state.discharging is None:
            problem = "the battery's state can no longer be read"
        return Refusal(f"{problem}, and its owner allows measuring on mains only", _BATTERY_S)


class LoadRule:
    """Maximum number of other processes that run or wait for a CPU."""

    def __init__(self, max_processes: float, load: RecentLoad) -> None:
        self._limit = Hysteresis(max_processes, _LOAD_RELEASE * max_processes)
        self._load = load

    def refusal(self, now: datetime) -> Refusal | None:
        processes = self._load.read()
        limit, release = self._limit.limit, self._limit.release
        if processes is None:
            reason = f"the run queue can no longer be read, and its limit is {limit:g}"
            return Refusal(reason, _LOAD_S)
        if not self._limit.update(processes):
            return None
        return Refusal(
            f"the device is busy: {self._limit.trigger:.1f} other processes want a CPU, above the "
            f"owner's limit of {limit:g}; measuring resumes at {release:g}",
            _LOAD_S,
        )


class TimeBudgetRule:
    """Maximum share of the time spent measuring."""

    def __init__(self, share: float, budget: TimeBudget) -> None:
        self._share = share
        self._budget = budget

    def refusal(self, now: datetime) -> Refusal | None:
        wait_s = self._budget.wait_s()
        if not wait_s:
            return None
        reason = f"the owner allows measuring {self._share:.0%} of the time; that is used up"
        return Refusal(reason, wait_s)
