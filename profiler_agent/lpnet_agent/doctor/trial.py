"""The sentinels really timed, in two sessions and at a pace: what a measurement here is worth."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from lpnet.errors import LpnetError
from lpnet.schemas.sample import Sample, Sentinel
from lpnet_agent.errors import SetupError
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import Setup
from lpnet_agent.runtimes.registry import NAMES, listing
from lpnet_agent.sentinels.templates import SentinelTemplate, template
from lpnet_agent.setting_fields import parse_pairs
from lpnet_agent.settings import Settings
from lpnet_agent.state import is_agent_running
from lpnet_agent.stop import Stop

SESSIONS = 2
TIMINGS = 2
PACE_FPS = 30.0
_BUDGET_S = 0.2
_PACED_BUDGET_S = 0.8
_TIMEOUT_S = 10.0
# A doctor has no time to wait for a better moment: two looks at a workload, one after the other.
_LOOKS = 2
_PACED: Sentinel = "arithmetic"

Sessions = tuple[tuple[Sample, ...], ...]


@dataclass(frozen=True)
class Trial:
    """The timings of each sentinel in each session, or why there are none: `failure` if it was
    tried, `left_out` if it was not. `paced` is the arithmetic one with rests between inferences,
    as an app of so many frames a second would run it."""

    timed: dict[Sentinel, Sessions] = field(default_factory=dict)
    paced: Sample | None = None
    failure: str | None = None
    left_out: str | None = None

    @property
    def pace_ratio(self) -> float | None:
        """Latency with rests over latency back to back."""
        if self.paced is None or _PACED not in self.timed:
            return None
        return self.paced.latency_ms / min(medians(self.timed[_PACED]))

    @property
    def samples(self) -> list[Sample]:
        return [one for sessions in self.timed.values() for timed in sessions for one in timed]


def medians(sessions: Sessions) -> list[float]:
    """Of each session, ms."""
    return [float(np.median([sample.latency_ms for sample in timed])) for timed in sessions]


def try_out(settings: Settings, cores: tuple[int, ...] | None) -> Trial:
    """Time the sentinels on `cores`; takes about 9 s."""
    if not offered(settings):
        return Trial(left_out="there is no runtime to measure with")
    try:
        if is_agent_running(settings.state_dir):
            return Trial(left_out="an agent measures here, and both would disturb each other")
    except SetupError as error:
        return Trial(left_out=str(error))
    setup = Setup(
        runtime=settings.runtime,
        provider=settings.provider,
        precision=settings.precision,
        options=parse_pairs(settings.runtime_options),
        threads=settings.threads,
        cores=cores,
        network_s=_BUDGET_S,
        visits=_LOOKS,
        gap_s=0,
    )
    templates = {sentinel: template(sentinel) for sentinel in get_args(Sentinel)}
    stop = Stop()
    try:
        sessions = [
            timed_session(Measurer(setup, stop, _TIMEOUT_S), templates) for _ in range(SESSIONS)
        ]
        paced = _pace(setup, templates[_PACED], stop)
    except LpnetError as error:
        return Trial(failure=str(error))
    finally:
        stop.close()
    return Trial({name: tuple(session[name] for session in sessions) for name in templates}, paced)


def offered(settings: Settings) -> bool:
    """Whether the runtime that is asked for can run here as it is asked to."""
    wanted = (settings.provider, True)
    return settings.runtime in NAMES and any(
        (entry.provider, entry.available) == wanted and settings.precision in entry.precisions
        for entry in listing([settings.runtime])
    )


def timed_session(
    measurer: Measurer, templates: dict[Sentinel, SentinelTemplate]
) -> dict[Sentinel, tuple[Sample, ...]]:
    """Timings of each sentinel in a session, which ends. Raises MeasureFailed."""
    timed: dict[Sentinel, list[Sample]] = {name: [] for name in templates}
    with measurer:
        for _ in range(TIMINGS):
            for name, chosen in templates.items():
                found = measurer.measure(chosen.item(), chosen.file, visits=_LOOKS)
                timed[name].append(found)
    return {name: tuple(samples) for name, samples in timed.items()}


def _pace(setup: Setup, chosen: SentinelTemplate, stop: Stop) -> Sample:
    pace = setup.model_copy(update={"fps": PACE_FPS, "network_s": _PACED_BUDGET_S})
    with Measurer(pace, stop, _TIMEOUT_S) as measurer:
        return measurer.measure(chosen.item(), chosen.file)
