"""This machine as the device."""

from __future__ import annotations

import structlog

from lpnet.schemas.device import Budgets, TargetSpec
from lpnet_agent.device_info.facts import read_facts
from lpnet_agent.device_info.names import device_name
from lpnet_agent.device_info.target import target_spec
from lpnet_agent.measure import cores
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import SessionInfo, Setup
from lpnet_agent.measure.visits import plans
from lpnet_agent.owner.limits import limits_of
from lpnet_agent.owner.owner_rules import OwnerRules
from lpnet_agent.setting_fields import parse_pairs
from lpnet_agent.settings import Settings
from lpnet_agent.stop import Stop

log = structlog.get_logger()


class ThisMachine:
    """Measures in a process of its own, pinned to cores that the agent keeps off."""

    def __init__(self, settings: Settings) -> None:
        """Raises BadSetup without enough cores or for limits that cannot be kept; nothing is
        started or changed yet."""
        self._settings = settings
        self.facts = read_facts(settings.provider)
        self.name = device_name(self.facts, settings.device)
        self._setup = measure_setup(settings)
        self.owner = OwnerRules(limits_of(settings), settings.state_dir, settings.root)

    @property
    def budgets(self) -> Budgets:
        longest = {
            kind: self._setup.visits * plan.max_s for kind, plan in plans(self._setup).items()
        }
        return Budgets(block_s=longest["block"], network_s=longest["network"])

    def measurer(self, stop: Stop) -> Measurer:
        cores.avoid(self._setup.cores)
        log.debug("measuring here", cores=self._setup.cores)
        return Measurer(self._setup, stop, self._settings.workload_timeout_s)

    def target(self, ready: SessionInfo) -> TargetSpec:
        return target_spec(self.name, self._setup, ready, self._settings.root)


def measure_setup(settings: Settings) -> Setup:
    """What the measuring process is set up with. Raises BadSetup without enough cores."""
    return Setup(
        runtime=settings.runtime,
        provider=settings.provider,
        precision=settings.precision,
        options=parse_pairs(settings.runtime_options),
        threads=settings.threads,
        cores=cores.choose(settings.threads),
        block_s=settings.block_s,
        network_s=settings.network_s,
        fps=settings.fps,
        visits=settings.visits,
        gap_s=settings.gap_s,
        crowded=settings.crowded,
    )
