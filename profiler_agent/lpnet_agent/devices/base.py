"""What an agent needs of a device, wherever its networks run."""

from __future__ import annotations

from typing import Protocol

from lpnet.schemas.device import Budgets, DeviceFacts, TargetSpec
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import SessionInfo
from lpnet_agent.owner.policy import OwnerPolicy
from lpnet_agent.stop import Stop


class Device(Protocol):
    """A device, and the target on it that is to be measured."""

    @property
    def name(self) -> str:
        """Name of the device."""
        ...

    @property
    def facts(self) -> DeviceFacts: ...

    @property
    def owner(self) -> OwnerPolicy:
        """Who is asked before anything is measured."""
        ...

    @property
    def budgets(self) -> Budgets:
        """Longest that a workload takes."""
        ...

    def measurer(self, stop: Stop) -> Measurer:
        """Begins a session. Raises BadSetup, or Interrupted if the agent is to end."""
        ...

    def target(self, ready: SessionInfo) -> TargetSpec:
        """Identity of the target, once a session has said what its runtime is."""
        ...
