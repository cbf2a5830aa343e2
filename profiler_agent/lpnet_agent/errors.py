"""Everything the agent raises on purpose, beside lpnet's own errors.

LpnetError
+-- AgentError
    +-- SetupError             the agent cannot start: no such cores, a busy state folder, ...
    +-- WriteFailed            a file could not be written: the disk is full, or read-only
    +-- RuntimeFailed          the runtime cannot load or run a network
    |   +-- OutOfMemory        because it does not fit in the device's memory
    +-- MeasureFailed          a workload could not be measured
        +-- WorkerDied         the measuring process ended while it measured
        +-- WorkerHung         the measuring process did not answer in time
        +-- Interrupted        the measurement was abandoned: the agent is stopping
            +-- DeviceUnavailable  or the device cannot be reached now
"""

from __future__ import annotations

from lpnet.errors import LpnetError


class AgentError(LpnetError):
    """Base of the agent's errors; the message is written for the user."""


class SetupError(AgentError):
    """The agent cannot start with these settings, or on this device."""


class WriteFailed(AgentError):
    """A file in the state folder could not be written; its old content is unchanged."""


class RuntimeFailed(AgentError):
    """The runtime cannot load or run a network."""


class OutOfMemory(RuntimeFailed):
    """A network does not fit in the memory of the device. This is a result, not a fault."""


class MeasureFailed(AgentError):
    """A workload could not be measured; the message is reported to the server as the reason.

    `out_of_memory`: the workload does not fit in the memory of the device.
    """

    def __init__(self, reason: str, *, out_of_memory: bool = False) -> None:
        super().__init__(reason)
        self.out_of_memory = out_of_memory


class WorkerDied(MeasureFailed):
    """The measuring process ended while it measured a workload."""


class WorkerHung(MeasureFailed):
    """The measuring process did not answer in time, and was ended."""


class Interrupted(MeasureFailed):
    """The measurement was abandoned because the agent is stopping."""


class DeviceUnavailable(Interrupted):
    """The device cannot be reached now, or its storage is full. Measuring is retried later.

    The message says what to do about it.
    """
