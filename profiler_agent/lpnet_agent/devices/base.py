"""What the agent needs from a device."""

from __future__ import annotations

from typing import Protocol

from lpnet.schemas.device import Budgets, DeviceFacts, TargetSpec
from lpnet.stop import Stop
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import SessionInfo, Setup
from lpnet_agent.owner.policy import OwnerPolicy
from lpnet_agent.setting_fields import parse_pairs
from lpnet_agent.settings import Settings


class Device(Protocol):
    """A device, and the target on it that the settings describe."""

    @property
    def name(self) -> str:
        """Name of the device, a part of the target's name."""
        ...

    @property
    def facts(self) -> DeviceFacts:
        """What the device is; unknown values are None."""
        ...

    @property
    def owner(self) -> OwnerPolicy:
        """Decides whether anything may be measured now."""
        ...

    @property
    def budgets(self) -> Budgets:
        """Maximum time for a workload, s."""
        ...

    def measurer(self, stop: Stop) -> Measurer:
        """Start a session. Raises SetupError if none can be started, and Interrupted if the agent
        is stopping."""
        ...

    def target(self, info: SessionInfo) -> TargetSpec:
        """Identity of the target, given what a session reported about its runtime."""
        ...


def measure_setup(settings: Settings, cores: tuple[int, ...] | None) -> Setup:
    return Setup(
        runtime=settings.runtime,
        provider=settings.provider,
        precision=settings.precision,
        options=parse_pairs(settings.runtime_options),
        threads=settings.threads,
        cores=cores,
        block_s=settings.block_s,
        network_s=settings.network_s,
        fps=settings.fps,
        visits=settings.visits,
        gap_s=settings.gap_s,
        crowded=settings.crowded,
    )
