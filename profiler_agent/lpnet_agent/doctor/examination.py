"""The examination of this machine: all checks, in the order of the report."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lpnet_agent.doctor import (
    agent_environment,
    cpu_clocks,
    cpu_sharing,
    gpu_checks,
    measurement_noise,
    power_and_memory,
    server_checks,
    system_clock,
    temperature,
)
from lpnet_agent.doctor.clock_pair import ClockPair
from lpnet_agent.doctor.cpu_usage import read_cpu_usage
from lpnet_agent.doctor.finding import Check, CheckContext, Finding
from lpnet_agent.doctor.gpu_facts import read_gpu_state
from lpnet_agent.doctor.interference_signals import Signal, read_signals
from lpnet_agent.doctor.server_probe import probe_server
from lpnet_agent.doctor.trial_run import run_trial
from lpnet_agent.errors import SetupError
from lpnet_agent.gpu.library import on_gpu
from lpnet_agent.measure import cores
from lpnet_agent.settings import Settings

# A title, and the findings below it.
Theme = tuple[str, tuple[Finding, ...]]

CHECKS: dict[str, tuple[Check, ...]] = {
    "Clocks": (
        cpu_clocks.governor,
        cpu_clocks.boost,
        cpu_clocks.ceiling,
        cpu_clocks.clusters,
    ),
    "Heat": (temperature.temperature, temperature.throttling, temperature.cooling),
    "Cores and what else uses them": (
        cpu_sharing.allowed,
        cpu_sharing.quota,
        cpu_sharing.siblings,
        cpu_sharing.isolation,
        cpu_sharing.load,
        cpu_sharing.steal,
    ),
    "Memory and power": (power_and_memory.memory, power_and_memory.power, power_and_memory.mode),
    "What the agent needs": (
        agent_environment.runtime,
        agent_environment.folder,
        agent_environment.disk,
        agent_environment.spooled_results,
        agent_environment.other_agent,
        agent_environment.owner_limits,
    ),
    "Server": (server_checks.reachable, server_checks.admitted),
    "A real measurement": (
        measurement_noise.within,
        measurement_noise.between,
        measurement_noise.core_speed,
        measurement_noise.paced,
    ),
    # Last: only then is it known whether the clock was set meanwhile.
    "Time": (system_clock.synchronised, server_checks.same_time, system_clock.steps),
}


@dataclass(frozen=True)
class Examination:
    """The findings by theme, and the interference signals that the machine exposes."""

    cores: tuple[int, ...] | None
    threads: int
    themes: tuple[Theme, ...]
    signals: tuple[Signal, ...]

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(finding for _, findings in self.themes for finding in findings)

    @property
    def fit(self) -> bool:
        return not any(finding.verdict == "bad" for finding in self.findings)


def examine(settings: Settings, server_required: bool) -> Examination:
    """Examine this machine, which takes about 11 s, or a recorded one at the settings' `root`.

    A recorded machine only has files. With `server_required`, a device without a server counts as
    unfit.
    """
    root = settings.root
    started, live = ClockPair.now(), root == Path("/")
    measured = measured_cores(settings.threads, root)
    context = CheckContext(
        settings=settings,
        cores=measured,
        cpu_usage=read_cpu_usage() if live else None,
        server=probe_server(settings) if live else None,
        trial=run_trial(settings, measured) if live else None,
        started=started,
        server_required=server_required,
        gpu=read_gpu_state(settings) if live else None,
    )
    themes = {"GPU": gpu_checks.CHECKS} | CHECKS if on_gpu(settings.provider) else CHECKS
    return Examination(
        cores=measured,
        threads=settings.threads,
        themes=tuple(run_checks(title, checks, context) for title, checks in themes.items()),
        signals=read_signals(root, measured),
    )


def run_checks(title: str, checks: tuple[Check, ...], context: CheckContext) -> Theme:
    return title, tuple(check(context) for check in checks)


def measured_cores(threads: int, root: Path = Path("/")) -> tuple[int, ...] | None:
    """The cores to measure on; None if processes cannot be pinned, or there are too few cores."""
    if root != Path("/"):
        allowed = cpu_sharing.allowed_cores(root) or ()
        return allowed[-threads:] if len(allowed) >= threads else None
    try:
        return cores.choose(threads)
    except SetupError:
        return None
