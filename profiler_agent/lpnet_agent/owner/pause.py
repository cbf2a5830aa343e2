"""A pause that the owner asked for: a file in the state folder.

It works whether or not an agent runs there, and survives agents and restarts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from lpnet_agent.errors import BadSetup
from lpnet_agent.files import PRIVATE_FOLDER, write_atomically

_FILE = "pause.json"
_UNITS = {"d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
_DURATION = re.compile(r"(?:\d{1,6}[dhms])+")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})")
LONGEST_REASON = 200


class Pause(BaseModel):
    """`until` null: until `lpnet-agent resume`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    until: AwareDatetime | None = None
    reason: str | None = Field(default=None, max_length=LONGEST_REASON)

    def in_words(self, now: datetime) -> str:
        """For example "paused until 07:00 by its owner: backups run"."""
        until = "" if self.until is None else f" until {clock(self.until, now)}"
        return f"paused{until} by its owner" + (f": {self.reason}" if self.reason else "")


@dataclass(frozen=True)
class PauseFile:
    """The pause of the agent whose state folder this is."""

    state: Path

    def write(self, pause: Pause) -> None:
        """Pause, in place of any pause there is. Raises BadSetup if it cannot be written."""
        try:
            self.state.mkdir(PRIVATE_FOLDER, parents=True, exist_ok=True)
            write_atomically(self.state / _FILE, pause.model_dump_json().encode())
        except OSError as error:
            raise BadSetup(f"state folder {self.state}: {error.strerror}") from error

    def remove(self) -> None:
        """End any pause. Raises BadSetup if the folder cannot be written."""
        try:
            (self.state / _FILE).unlink(missing_ok=True)
        except OSError as error:
            raise BadSetup(f"{self.state / _FILE}: {error.strerror}") from error

    def read(self, now: datetime) -> Pause | None:
        """The pause that holds now. A file that cannot be read is one: its owner wanted it."""
        path = self.state / _FILE
        try:
            pause = Pause.model_validate_json(path.read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (OSError, ValidationError):
            return Pause(reason=f"{_FILE} cannot be read; lpnet-agent resume removes it")
        return None if pause.until is not None and pause.until <= now else pause


def after(duration: str, now: datetime) -> datetime:
    """The time `duration` after now, for example "2h", "1h30m", "3d".

    Raises BadSetup with what is wrong.
    """
    if not _DURATION.fullmatch(duration):
        raise BadSetup(f"--for {duration!r}: write it as 90s, 30m, 2h, 1h30m or 3d")
    parts = {"d": 0, "h": 0, "m": 0, "s": 0}
    for amount, unit in re.findall(r"(\d+)([dhms])", duration):
        parts[unit] += int(amount)
    span = timedelta(**{_UNITS[unit]: amount for unit, amount in parts.items()})
    if not span or span > timedelta(days=366):
        raise BadSetup(f"--for {duration!r}: between 1s and 366d")
    return now + span


def next_clock(text: str, now: datetime) -> datetime:
    """The next moment at which the local clock shows `text`, for example "07:00".

    Raises BadSetup with what is wrong.
    """
    found = _CLOCK.fullmatch(text)
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        raise BadSetup(f"--until {text!r}: a time of the day, such as 07:00")
    # Days are counted on the local clock, so that one with 23 or 25 hours is one day.
    today = now.astimezone().replace(
        hour=int(found[1]), minute=int(found[2]), second=0, microsecond=0, tzinfo=None
    )
    times = (today + timedelta(days=days) for days in range(3))
    return next(time for day in times if (time := day.astimezone()) > now)


def clock(moment: datetime, now: datetime) -> str:
    """A moment as people say it, on the local clock; with its date where it is not within a day.

    A moment without a zone is local.
    """
    local = moment.astimezone()
    form = "%H:%M" if local - now.astimezone() <= timedelta(days=1) else "%a %d %b %H:%M"
    return local.strftime(form)
