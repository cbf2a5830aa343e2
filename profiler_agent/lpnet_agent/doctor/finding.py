"""What a check of the device comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from lpnet_agent.device_info.sysfs import cpu_folder
from lpnet_agent.doctor.gpu_facts import GpuSeen
from lpnet_agent.doctor.greeting import Greeting
from lpnet_agent.doctor.moment import Moment
from lpnet_agent.doctor.trial import Trial
from lpnet_agent.doctor.watch import Watched
from lpnet_agent.settings import Settings

Verdict = Literal["ok", "attend", "bad", "unknown"]

NOT_EXPOSED = "not exposed here"
NOT_THIS_MACHINE = "cannot be known of a recorded machine"


@dataclass(frozen=True)
class Finding:
    """What was looked at, what was seen, and what it means for measuring.

    `bad` makes figures worthless or measuring impossible, `attend` makes them worse or of another
    device than is meant. `do` is the command, or the deed, for either of them.
    """

    name: str
    verdict: Verdict
    looked_at: str
    seen: str
    do: str | None = None


@dataclass(frozen=True)
class Scope:
    """What is examined: a machine, and an agent set up for it as `settings` say.

    `cores` are those that would be measured on, None where processes cannot be pinned or there
    are too few. `watched`, `greeting` and `trial` are what the examination did before it judges;
    None for a recorded machine, on which nothing can be done. `began` is when it began; `gpu` is
    what the driver says of the GPU, None where none would be measured.
    """

    settings: Settings
    cores: tuple[int, ...] | None
    watched: Watched | None
    greeting: Greeting | None
    trial: Trial | None
    began: Moment
    server_asked: bool = False
    gpu: GpuSeen | None = None

    @property
    def root(self) -> Path:
        """The file system, or a copy of it."""
        return self.settings.root

    @property
    def live(self) -> bool:
        """Whether this is the machine that the command runs on."""
        return self.root == Path("/")

    def cpu(self, core: int) -> Path:
        return cpu_folder(self.root, core)


Check = Callable[[Scope], Finding]


def unknown(name: str, looked_at: str, why: str = NOT_EXPOSED) -> Finding:
    """What cannot be seen is not called good."""
    return Finding(name, "unknown", looked_at, why)


def listed(cores: tuple[int, ...]) -> str:
    """Cores as people write them: "core 3", "cores 0, 1"."""
    return f"core{'s' if len(cores) != 1 else ''} {', '.join(map(str, cores))}"
