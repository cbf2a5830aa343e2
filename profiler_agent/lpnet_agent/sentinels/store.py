"""What is known of the sentinels, kept in the state folder of the agent."""

from __future__ import annotations

from pathlib import Path

import structlog
from pydantic import Field, ValidationError

from lpnet.schemas.base import SpaceHash, Time, Wire
from lpnet.schemas.device import TargetSpec
from lpnet.schemas.sample import Sentinel
from lpnet_agent.errors import BadSetup, NotKept
from lpnet_agent.files import write_atomically
from lpnet_agent.sentinels.health import SENTINELS, Health
from lpnet_agent.sentinels.templates import template

log = structlog.get_logger()

FILE = "sentinels.json"


class SentinelState(Wire):
    """The file: of which target and of which sentinels it is, what is known of them, and how
    many clearings of the target the agent has acted on. `good_at`: see Watch."""

    target: TargetSpec
    spaces: dict[Sentinel, SpaceHash]
    health: Health = Health()
    cleared: int = Field(default=0, ge=0)
    good_at: Time | None = None


class SentinelStore:
    """The file of one target. What was kept of another target, or of other sentinels, is
    forgotten: no level of theirs is one here."""

    def __init__(self, folder: Path, target: TargetSpec) -> None:
        self._path = folder / FILE
        spaces = {name: template(name).workload.space for name in SENTINELS}
        self._fresh = SentinelState(target=target, spaces=spaces)

    def load(self) -> SentinelState:
        """What is kept, or a beginning. Raises BadSetup for a file that may not be read: what is
        in it may be that this device has drifted."""
        try:
            kept = SentinelState.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return self._fresh
        except OSError as error:
            words = f"{self._path}: {error.strerror}; the levels of the sentinels are in it"
            raise BadSetup(words) from error
        except ValidationError as error:
            log.warning("levels of the sentinels are lost", file=str(self._path), why=str(error))
            return self._fresh
        # Compared as it travels: JSON makes a list of a tuple in the options.
        fresh = SentinelState.model_validate_json(self._fresh.model_dump_json())
        if (kept.target, kept.spaces) != (fresh.target, fresh.spaces):
            log.info("another target than before: its sentinels get new levels")
            return self._fresh
        return kept

    def save(self, kept: SentinelState) -> None:
        """Keep it; when this returns it survives a power cut, unless the disk is full: what is
        known is still in memory then, and is kept the next time."""
        try:
            write_atomically(self._path, kept.model_dump_json(indent=2).encode())
        except NotKept as error:
            log.error("levels of the sentinels are only in memory", why=str(error))
