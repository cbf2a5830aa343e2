"""A pause that the owner requested: a file in the state folder.

It can be written whether or not an agent runs there, and survives restarts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from lpnet_agent.errors import SetupError
from lpnet_agent.files import PRIVATE_FOLDER, write_atomically

_FILE = "pause.json"
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_DURATION = re.compile(r"(?:\d{1,6}[dhms])+")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
MAX_REASON = 200


class Pause(BaseModel):
    """A pause until a time; until `lpnet-agent resume` if that is None."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    until: AwareDatetime | None = None
    reason: str | None = Field(default=None, max_length=MAX_REASON)

    def describe(self, now: datetime) -> str:
        """For example "paused until 07:00 by its owner: backups run"."""
        until = "" if self.until is None else f" until {format_time(self.until, now)}"
        return f"paused{until} by its owner" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class PauseFile:
    """The pause of the agent that uses a state folder."""

    state: Path

    def write(self, pause: Pause) -> None:
        """Replace any current pause. Raises SetupError if the file cannot be written."""
        try:
            self.state.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
            write_atomically(self.state / _FILE, pause.model_dump_json().encode())
        except OSError as error:
            raise SetupError(f"state folder {self.state}: {error.strerror}") from error

    def remove(self) -> None:
        """End any pause. Raises SetupError if the folder cannot be written."""
        try:
            (self.state / _FILE).unlink(missing_ok=True)
        except OSError as error:
            raise SetupError(f"{self.state / _FILE}: {error.strerror}") from error

    def read(self, now: datetime) -> Pause | None:
        """The current pause, if any. An unreadable file counts as a pause, because its owner
        wanted one."""
        path = self.state / _FILE
        try:
            pause = Pause.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValidationError):
            return Pause(reason=f"{_FILE} cannot be read; lpnet-agent resume removes it")
        return None if pause.until is not None and pause.until <= now else pause


def time_after(duration: str, now: datetime) -> datetime:
    """The time that is `duration` after now: "2h", "1h30m", "3d". Raises SetupError."""
    if not _DURATION.fullmatch(duration):
        raise SetupError(f"--for {duration!r}: write it as 90s, 30m, 2h, 1h30m or 3d")
    parts = {"d": 0, "h": 0, "m": 0, "s": 0}
    for amount, unit in re.findall(r"(\d+)([dhms])", duration):
        parts[unit] += int(amount)
    span = timedelta(**{_UNITS[unit]: amount for unit, amount in parts.items()})
    if not span or span > timedelta(days=366):
        raise SetupError(f"--for must be between 1s and 366d, got {duration!r}")
    return now + span


def next_time_of_day(text: str, now: datetime) -> datetime:
    """The next time at which the local clock shows `text`, such as "07:00". Raises SetupError."""
    match = _CLOCK.fullmatch(text)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59:
        raise SetupError(f"--until {text!r}: write a time of day, such as 07:00")
    # Days of the local clock: one with 23 or 25 hours is still one day.
    today = now.astimezone().replace(
        hour=int(match[1]), minute=int(match[2]), second=0, microsecond=0, tzinfo=None
    )
    times = (today + timedelta(days=days) for days in range(3))
    return next(time for day in times if (time := day.astimezone()) > now)


def format_time(time: datetime, now: datetime) -> str:
    """A time of the local clock, with its date if it is more than a day ahead.

    A time without a zone is local.
    """
    local = time.astimezone()
    form = "%H:%M" if local - now.astimezone() <= timedelta(days=1) else "%a %d %b %H:%M"
    return local.strftime(form)
