"""What a check of the device receives, and what it returns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lpnet_agent.device_info.sysfs import cpu_folder
from lpnet_agent.doctor.clock_pair import ClockPair
from lpnet_agent.doctor.cpu_usage import CpuUsage
from lpnet_agent.doctor.gpu_facts import GpuState
from lpnet_agent.doctor.server_probe import ServerProbe
from lpnet_agent.doctor.trial_run import TrialRun
from lpnet_agent.settings import Settings

Verdict = Literal["ok", "attend", "bad", "unknown"]

NOT_EXPOSED = "not exposed here"
NOT_RECORDED = "cannot be read from a recorded machine"


@dataclass(frozen=True)
class Finding:
    """The result of a check: what was observed, where, and what it means for measuring.

    `bad` makes results worthless or measuring impossible. `attend` makes results noisier, or may
    make them those of another target than the user means. `remedy` is a command, or an action, for
    either of them.
    """

    name: str
    verdict: Verdict
    source: str
    observation: str
    remedy: str | None = None


@dataclass(frozen=True)
class Subject:
    """What a check is about: its name, and where its values are read."""

    name: str
    source: str

    def ok(self, observation: str) -> Finding:
        return Finding(self.name, "ok", self.source, observation)

    def caution(self, observation: str, remedy: str) -> Finding:
        return Finding(self.name, "attend", self.source, observation, remedy)

    def bad(self, observation: str, remedy: str) -> Finding:
        return Finding(self.name, "bad", self.source, observation, remedy)

    def unknown(self, reason: str = NOT_EXPOSED) -> Finding:
        # A value that cannot be read is never called ok.
        return Finding(self.name, "unknown", self.source, reason)


@dataclass(frozen=True)
class CheckContext:
    """The machine to check, and the settings of an agent there.

    `cores` would be measured on; None if processes cannot be pinned, or there are too few cores.
    `cpu_usage`, `server` and `trial` were taken before the checks; they are None for a recorded
    machine. `started` is when the examination began. `gpu` is the state of the GPU that would be
    measured, None if there is none.
    """

    settings: Settings
    cores: tuple[int, ...] | None
    cpu_usage: CpuUsage | None
    server: ServerProbe | None
    trial: TrialRun | None
    started: ClockPair
    server_required: bool = False
    gpu: GpuState | None = None

    @property
    def root(self) -> Path:
        return self.settings.root

    @property
    def live(self) -> bool:
        """Whether this is the machine that the command runs on."""
        return self.root == Path("/")

    def cpu(self, core: int) -> Path:
        return cpu_folder(self.root, core)


Check = Callable[[CheckContext], Finding]


def format_cores(cores: tuple[int, ...]) -> str:
    """For example "core 3" or "cores 0, 1"."""
    return f"core{'s' if len(cores) != 1 else ''} {', '.join(map(str, cores))}"
