"""What an owner may refuse for: each rule says why, in a sentence, or nothing.

A sentence stays the same for as long as its cause does: it is shown to people and reported when
it changes.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from lpnet.schemas.condition import Cause
from lpnet_agent.device_info.readings import battery, temperature_c
from lpnet_agent.owner.hours import QuietHours, quiet_until
from lpnet_agent.owner.hysteresis import Latch
from lpnet_agent.owner.load import Load
from lpnet_agent.owner.pause import PauseFile, clock
from lpnet_agent.owner.share import Share

# How far a value has to come back before measuring goes on.
_COOLER_C = 5.0
_CHARGED_PCT = 2.0
_CALMER = 0.8

# When to look again. A pause may be taken back by the second; what a device reads changes slowly.
_PAUSE_S = 1.0
_QUIET_S = 60.0
_HEAT_S = 5.0
_BATTERY_S = 30.0
_LOAD_S = 2.0


@dataclass(frozen=True)
class Refusal:
    """Why nothing may be measured now, and after how many seconds to ask again. `cause`: who or
    what is behind it, as it is reported."""

    reason: str
    retry_s: float
    cause: Cause = "owner"


class Paused:
    """The owner said `lpnet-agent pause`."""

    def __init__(self, file: PauseFile) -> None:
        self._file = file

    def refusal(self, now: datetime) -> Refusal | None:
        pause = self._file.read(now)
        return None if pause is None else Refusal(pause.in_words(now), _PAUSE_S)


class Quiet:
    """Times of the day."""

    def __init__(self, hours: tuple[QuietHours, ...]) -> None:
        self._hours = hours

    def refusal(self, now: datetime) -> Refusal | None:
        end = quiet_until(self._hours, now.astimezone().replace(tzinfo=None))
        if end is None:
            return None
        left_s = end.timestamp() - now.timestamp()
        return Refusal(
            f"quiet hours until {clock(end, now)} by its owner", min(_QUIET_S, max(1.0, left_s))
        )


class Heat:
    """The hottest zone, in degrees C."""

    def __init__(self, most_c: float, root: Path) -> None:
        self._latch = Latch(most_c, most_c - _COOLER_C)
        self._root = root

    def refusal(self, now: datetime) -> Refusal | None:
        seen = temperature_c(self._root)
        limit, release = self._latch.limit, self._latch.release
        if seen is None:
            reason = f"the temperature cannot be read any more, and its limit is {limit:g} C"
            return Refusal(reason, _HEAT_S)
        if not self._latch.holds(seen):
            return None
        return Refusal(
            f"too hot: {self._latch.tripped_by:.1f} C is above the owner's limit of {limit:g} C; "
            f"measuring goes on at {release:g} C",
            _HEAT_S,
        )


class Charge:
    """The battery's charge, in percent."""

    def __init__(self, least_pct: float, root: Path) -> None:
        self._latch = Latch(least_pct, min(100.0, least_pct + _CHARGED_PCT), low=True)
        self._root = root

    def refusal(self, now: datetime) -> Refusal | None:
        seen = battery(self._root)
        limit, release = self._latch.limit, self._latch.release
        if seen is None or seen.percent is None:
            reason = f"the battery's charge cannot be read any more, and its limit is {limit:g}%"
            return Refusal(reason, _BATTERY_S)
        if not self._latch.holds(seen.percent):
            return None
        return Refusal(
            f"the battery is low: {self._latch.tripped_by:g}% is below the owner's limit of "
            f"{limit:g}%; measuring goes on at {release:g}%",
            _BATTERY_S,
        )


class Mains:
    """Not while the battery feeds the device."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def refusal(self, now: datetime) -> Refusal | None:
        seen = battery(self._root)
        if seen is not None and seen.discharging is False:
            return None
        what = "the device runs on its battery"
        if seen is None or seen.discharging is None:
            what = "the battery's state cannot be read any more"
        return Refusal(f"{what}, and its owner allows measuring on mains only", _BATTERY_S)


class Crowd:
    """Processes of others that run or wait for a CPU."""

    def __init__(self, most: float, load: Load) -> None:
        self._latch = Latch(most, _CALMER * most)
        self._load = load

    def refusal(self, now: datetime) -> Refusal | None:
        seen = self._load.read()
        limit = self._latch.limit
        if seen is None:
            reason = f"the run queue cannot be read any more, and its limit is {limit:g}"
            return Refusal(reason, _LOAD_S)
        if not self._latch.holds(seen):
            return None
        return Refusal(
            f"the device is busy: {self._latch.tripped_by:.1f} other processes wanted the CPU, "
            f"above the owner's limit of {limit:g}; measuring goes on at {self._latch.release:g}",
            _LOAD_S,
        )


class Portion:
    """A share of the time."""

    def __init__(self, share: float, bucket: Share) -> None:
        self._share = share
        self._bucket = bucket

    def refusal(self, now: datetime) -> Refusal | None:
        wait_s = self._bucket.wait_s()
        if not wait_s:
            return None
        reason = f"its owner allows {self._share:.0%} of the time, which is used up for now"
        return Refusal(reason, wait_s)
