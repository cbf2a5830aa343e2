"""Everything the agent raises on purpose, beside lpnet's own errors.

LpnetError
+-- AgentError
    +-- BadSetup               the agent cannot start: no such cores, a busy state folder, ...
    +-- NotKept                a file could not be written: the disk is full, or read-only
    +-- RuntimeFailed          the runtime cannot load or run a network
    |   +-- OutOfMemory        because it does not fit in the device's memory
    +-- MeasureFailed          a workload could not be measured
        +-- WorkerDied         the measuring process ended in the middle of it
        +-- WorkerHung         the measuring process did not answer in time
        +-- Interrupted        the measurement was given up: the agent is stopping
            +-- DeviceAway     or the device cannot be reached now
"""

from __future__ import annotations

from lpnet.errors import LpnetError


class AgentError(LpnetError):
    """Base of the agent's errors; the message is written for the user."""


class BadSetup(AgentError):
    """The agent cannot start as it is set up."""


class NotKept(AgentError):
    """A file in the state folder could not be written; it is as it was before."""


class RuntimeFailed(AgentError):
    """The runtime cannot load or run a network."""


class OutOfMemory(RuntimeFailed):
    """A network does not fit in the memory of the device: a result, and not a fault."""


class MeasureFailed(AgentError):
    """A workload could not be measured; the message is the reason that the server is told.
    `out_of_memory`: it does not fit in the memory of the device."""

    def __init__(self, reason: str, *, out_of_memory: bool = False) -> None:
        super().__init__(reason)
        self.out_of_memory = out_of_memory


class WorkerDied(MeasureFailed):
    """The measuring process ended in the middle of a workload."""


class WorkerHung(MeasureFailed):
    """The measuring process did not answer in time, and was ended."""


class Interrupted(MeasureFailed):
    """The agent is stopping, so the measurement was given up."""


class DeviceAway(Interrupted):
    """The device cannot be reached now, or has no room: what was asked of it is for later. The
    message says what to do about it."""
