"""The examination: everything that is checked, in the order in which it is told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lpnet_agent.doctor import (
    clock,
    clocks,
    environment,
    gpu,
    gpu_facts,
    heat,
    noise,
    server,
    sharing,
    supply,
)
from lpnet_agent.doctor.finding import Check, Finding, Scope
from lpnet_agent.doctor.greeting import greet
from lpnet_agent.doctor.moment import Moment
from lpnet_agent.doctor.signals import Signal, signals
from lpnet_agent.doctor.trial import try_out
from lpnet_agent.doctor.watch import watch
from lpnet_agent.errors import BadSetup
from lpnet_agent.gpu.library import on_gpu
from lpnet_agent.measure import cores
from lpnet_agent.settings import Settings

THEMES: tuple[tuple[str, tuple[Check, ...]], ...] = (
    ("Clocks", (clocks.governor, clocks.boost, clocks.ceiling, clocks.clusters)),
    ("Heat", (heat.temperature, heat.throttling, heat.cooling)),
    (
        "Cores and who else uses them",
        (
            sharing.allowed,
            sharing.quota,
            sharing.siblings,
            sharing.isolation,
            sharing.load,
            sharing.steal,
        ),
    ),
    ("Memory and power", (supply.memory, supply.power, supply.mode)),
    (
        "What the agent needs",
        (
            environment.runtime,
            environment.folder,
            environment.disk,
            environment.waiting,
            environment.alone,
            environment.permitted,
        ),
    ),
    ("Server", (server.reachable, server.admitted)),
    ("A real measurement", (noise.within, noise.between, noise.paced)),
    # Last: whether the clock was set meanwhile is known once all else is done.
    ("Time", (clock.synchronised, server.same_time, clock.steps)),
)


@dataclass(frozen=True)
class Examination:
    """What was found, by theme, and the signals that the machine exposes."""

    cores: tuple[int, ...] | None
    threads: int
    themes: tuple[tuple[str, tuple[Finding, ...]], ...]
    signals: tuple[Signal, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for _, found in self.themes for finding in found)

    @property
    def fit(self) -> bool:
        return not any(finding.verdict == "bad" for finding in self.findings)


def examine(settings: Settings, server_asked: bool) -> Examination:
    """Examine the machine that this runs on, which takes about 11 s, or the recorded one below
    the settings' `root`, of which only the files say something."""
    root = settings.root
    began, live = Moment.now(), root == Path("/")
    mine = measured_cores(settings.threads, root)
    scope = Scope(
        settings=settings,
        cores=mine,
        watched=watch() if live else None,
        greeting=greet(settings) if live else None,
        trial=try_out(settings, mine) if live else None,
        began=began,
        server_asked=server_asked,
        gpu=gpu_facts.look(settings) if live else None,
    )
    themes = THEMES if not on_gpu(settings.provider) else (("GPU", gpu.CHECKS), *THEMES)
    return Examination(
        cores=mine,
        threads=settings.threads,
        themes=tuple((title, tuple(check(scope) for check in checks)) for title, checks in themes),
        signals=signals(root, mine),
    )


def measured_cores(threads: int, root: Path = Path("/")) -> tuple[int, ...] | None:
    """The cores that would be measured on; None where processes cannot be pinned, or there are
    too few."""
    if root != Path("/"):
        allowed = sharing.allowed_cores(root) or ()
        return allowed[-threads:] if len(allowed) >= threads else None
    try:
        return cores.choose(threads)
    except BadSetup:
        return None
