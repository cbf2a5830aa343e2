"""The sentinels really timed, in two sessions: what a measurement here is worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from lpnet.errors import LpnetError
from lpnet.schemas.sample import Sample, Sentinel
from lpnet_agent.doctor.lock import agent_runs
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import Setup
from lpnet_agent.runtimes.registry import listing
from lpnet_agent.sentinels.templates import SentinelTemplate, template
from lpnet_agent.settings import Settings
from lpnet_agent.stop import Stop

SESSIONS = 2
TIMINGS = 3
BUDGET_S = 0.3
_TIMEOUT_S = 10.0

Sessions = tuple[tuple[Sample, ...], ...]


@dataclass(frozen=True)
class Trial:
    """The timings of each sentinel in each session, or why there are none: `failure` if it was
    tried, `left_out` if it was not."""

    timed: dict[Sentinel, Sessions] = field(default_factory=dict)
    failure: str | None = None
    left_out: str | None = None

    @property
    def samples(self) -> list[Sample]:
        return [one for sessions in self.timed.values() for timed in sessions for one in timed]


def medians(sessions: Sessions) -> list[float]:
    """Of each session, ms."""
    return [float(np.median([sample.latency_ms for sample in timed])) for timed in sessions]


def try_out(settings: Settings, cores: tuple[int, ...] | None) -> Trial:
    """Time the sentinels on `cores`; takes about 8 s."""
    if settings.runtime not in {entry.name for entry in listing() if entry.available}:
        return Trial(left_out="there is no runtime to measure with")
    if agent_runs(settings.state_dir):
        return Trial(left_out="an agent measures here, and both would disturb each other")
    setup = Setup(
        runtime=settings.runtime, threads=settings.threads, cores=cores, network_s=BUDGET_S
    )
    templates = {sentinel: template(sentinel) for sentinel in get_args(Sentinel)}
    stop = Stop()
    try:
        sessions = [_session(setup, templates, stop) for _ in range(SESSIONS)]
    except LpnetError as error:
        return Trial(failure=str(error))
    finally:
        stop.close()
    return Trial({name: tuple(session[name] for session in sessions) for name in templates})


def _session(
    setup: Setup, templates: dict[Sentinel, SentinelTemplate], stop: Stop
) -> dict[Sentinel, tuple[Sample, ...]]:
    timed: dict[Sentinel, list[Sample]] = {name: [] for name in templates}
    with Measurer(setup, stop, _TIMEOUT_S) as measurer:
        for _ in range(TIMINGS):
            for name, chosen in templates.items():
                timed[name].append(measurer.measure(chosen.item(), chosen.file))
    return {name: tuple(samples) for name, samples in timed.items()}
