"""This machine as the device."""

from __future__ import annotations

from pathlib import Path

import structlog

from lpnet.schemas.device import Budgets, TargetSpec
from lpnet_agent.changes.changes import Changes
from lpnet_agent.changes.wishes import wishes_of
from lpnet_agent.device_info.facts import read_facts
from lpnet_agent.device_info.names import device_name
from lpnet_agent.device_info.target import target_spec
from lpnet_agent.measure import cores
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import Ready, Setup
from lpnet_agent.measure.workload import plans
from lpnet_agent.owner.limits import limits_of
from lpnet_agent.owner.owner import Owner
from lpnet_agent.settings import Settings, pairs
from lpnet_agent.stop import Stop

log = structlog.get_logger()


class Here:
    """Measures in a process of its own, pinned to cores that the agent keeps off."""

    def __init__(self, settings: Settings) -> None:
        """Raises BadSetup without enough cores or for limits that cannot be kept; nothing is
        started or changed yet."""
        self._settings = settings
        self.facts = read_facts(settings.provider)
        self.name = device_name(self.facts, settings.device)
        self._setup = setup_of(settings)
        self.owner = Owner(limits_of(settings), settings.state_dir, settings.root)

    @property
    def budgets(self) -> Budgets:
        longest = {
            kind: self._setup.visits * plan.most_s for kind, plan in plans(self._setup).items()
        }
        return Budgets(block_s=longest["block"], network_s=longest["network"])

    def changes(self, state: Path) -> Changes:
        settings = self._settings
        return Changes(wishes_of(settings), self._setup.cores, state, settings.root)

    def measurer(self, stop: Stop) -> Measurer:
        cores.leave(self._setup.cores)
        log.debug("measuring here", cores=self._setup.cores)
        return Measurer(self._setup, stop, self._settings.workload_timeout_s)

    def target(self, ready: Ready) -> TargetSpec:
        return target_spec(self.name, self._setup, ready, self._settings.root)


def setup_of(settings: Settings) -> Setup:
    """What the measuring process is set up with. Raises BadSetup without enough cores."""
    return Setup(
        runtime=settings.runtime,
        provider=settings.provider,
        precision=settings.precision,
        options=pairs(settings.runtime_options),
        threads=settings.threads,
        cores=cores.choose(settings.threads),
        block_s=settings.block_s,
        network_s=settings.network_s,
        fps=settings.fps,
        visits=settings.visits,
        gap_s=settings.gap_s,
        crowded=settings.crowded,
    )
