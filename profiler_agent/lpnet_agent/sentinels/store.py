"""The state of the sentinels, kept in a file of the agent's state folder."""

from __future__ import annotations

from pathlib import Path

import structlog
from pydantic import Field, ValidationError

from lpnet.schemas.base import SpaceHash, Time, Wire
from lpnet.schemas.device import TargetSpec
from lpnet.schemas.sample import Sentinel
from lpnet_agent.errors import SetupError, WriteFailed
from lpnet_agent.files import write_atomically
from lpnet_agent.measure.probe_levels import UNKNOWN, ProbeLevels
from lpnet_agent.measure.sentinel_workloads import template
from lpnet_agent.sentinels.health import SENTINELS, Health

log = structlog.get_logger()

FILE = "sentinels.json"


class SentinelState(Wire):
    """The content of the file: the target and sentinels that it belongs to, their health, the best
    levels of the probes, and the number of clearings that the agent has handled. `good_at`: see
    SentinelMonitor."""

    target: TargetSpec
    spaces: dict[Sentinel, SpaceHash]
    health: Health = Health()
    levels: ProbeLevels = UNKNOWN
    cleared: int = Field(default=0, ge=0)
    good_at: Time | None = None


class SentinelStore:
    """Loads and saves the state of one target. The state of another target or of other sentinels
    is discarded, because their levels do not apply."""

    def __init__(self, folder: Path, target: TargetSpec) -> None:
        self._path = folder / FILE
        spaces = {name: template(name).workload.space for name in SENTINELS}
        self._initial = SentinelState(target=target, spaces=spaces)

    def load(self) -> SentinelState:
        """The saved state, or an initial one. Raises SetupError for an unreadable file, because it
        may record that this device has drifted."""
        try:
            state = SentinelState.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return self._initial
        except OSError as error:
            message = f"{self._path}: {error.strerror}; it holds the levels of the sentinels"
            raise SetupError(message) from error
        except ValidationError as error:
            log.warning("levels of the sentinels are lost", file=str(self._path), error=str(error))
            return self._initial
        # Both have to come from JSON, where tuples in the options become lists.
        initial = SentinelState.model_validate_json(self._initial.model_dump_json())
        if (state.target, state.spaces) != (initial.target, initial.spaces):
            log.info("the target has changed: its sentinels get new levels")
            return self._initial
        return state

    def save(self, state: SentinelState) -> None:
        """Write the state so that it survives a power cut. If the disk is full it stays in memory
        and is written the next time."""
        try:
            write_atomically(self._path, state.model_dump_json(indent=2).encode())
        except WriteFailed as error:
            log.error("levels of the sentinels are only in memory", error=str(error))
