"""This machine as the device."""

from __future__ import annotations

import structlog

from lpnet.schemas.device import Budgets, TargetSpec
from lpnet.stop import Stop
from lpnet_agent.device_info.facts import read_facts
from lpnet_agent.device_info.names import device_name
from lpnet_agent.devices.base import measure_setup
from lpnet_agent.devices.target import target_spec
from lpnet_agent.measure import cores
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import SessionInfo
from lpnet_agent.measure.plan import TimingPlans
from lpnet_agent.owner.limits import limits_of
from lpnet_agent.owner.owner_rules import OwnerRules
from lpnet_agent.settings import Settings

log = structlog.get_logger()


class ThisMachine:
    """Measures in a separate process, pinned to cores that the agent does not run on."""

    def __init__(self, settings: Settings) -> None:
        """Starts nothing yet. Raises SetupError if there are too few cores, or if this machine
        cannot keep the owner's limits."""
        self._settings = settings
        self.facts = read_facts(settings.provider)
        self.name = device_name(self.facts, settings.device)
        self._setup = measure_setup(settings, cores.choose(settings.threads))
        self.owner = OwnerRules(limits_of(settings), settings.state_dir, settings.root)

    @property
    def budgets(self) -> Budgets:
        return TimingPlans.from_setup(self._setup).max_budgets(self._setup.visits)

    def measurer(self, stop: Stop) -> Measurer:
        cores.avoid(self._setup.cores)
        log.debug("measuring on this machine", cores=self._setup.cores)
        return Measurer(self._setup, stop, self._settings.workload_timeout_s)

    def target(self, info: SessionInfo) -> TargetSpec:
        return target_spec(self.name, self._setup, info, self._settings.root)
