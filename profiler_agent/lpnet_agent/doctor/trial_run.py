"""A trial run: the sentinels are timed in two sessions, and at a fixed rate."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import get_args

import numpy as np

from lpnet.errors import LpnetError
from lpnet.schemas.sample import Sample, Sentinel
from lpnet.stop import Stop
from lpnet_agent.errors import SetupError
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import Setup
from lpnet_agent.measure.sentinel_workloads import SentinelTemplate, template
from lpnet_agent.runtimes.registry import NAMES, list_support
from lpnet_agent.setting_fields import parse_pairs
from lpnet_agent.settings import Settings
from lpnet_agent.state import is_agent_running

SESSIONS = 2
TIMINGS = 2
PACED_FPS = 30.0
OTHER_AGENT = "an agent measures here, and both would disturb each other"
_BUDGET_S = 0.2
_PACED_BUDGET_S = 0.8
_TIMEOUT_S = 10.0
# There is no time to wait for a quiet period: two visits, one after the other.
_VISITS = 2
_PACED: Sentinel = "arithmetic"

Sessions = tuple[tuple[Sample, ...], ...]


@dataclass(frozen=True)
class TrialRun:
    """The timings of each sentinel in each session.

    `paced` is the arithmetic sentinel with pauses between inferences, as in an app that runs at a
    fixed frame rate. `failure` is why the trial failed, `skipped` why it was not made.
    """

    sentinels: dict[Sentinel, Sessions] = field(default_factory=dict)
    paced: Sample | None = None
    failure: str | None = None
    skipped: str | None = None

    @property
    def pace_ratio(self) -> float | None:
        """Latency with pauses, relative to back to back."""
        if self.paced is None or _PACED not in self.sentinels:
            return None
        return self.paced.latency_ms / min(session_medians_ms(self.sentinels[_PACED]))

    @property
    def samples(self) -> list[Sample]:
        return [
            sample
            for sessions in self.sentinels.values()
            for samples in sessions
            for sample in samples
        ]


def session_medians_ms(sessions: Sessions) -> list[float]:
    return [float(np.median([s.latency_ms for s in samples])) for samples in sessions]


def run_trial(settings: Settings, cores: tuple[int, ...] | None) -> TrialRun:
    """Time the sentinels on `cores`; takes about 9 s."""
    if not _is_supported(settings):
        return TrialRun(skipped="there is no runtime to measure with")
    try:
        if is_agent_running(settings.state_dir):
            return TrialRun(skipped=OTHER_AGENT)
    except SetupError as error:
        return TrialRun(skipped=str(error))
    setup = Setup(
        runtime=settings.runtime,
        provider=settings.provider,
        precision=settings.precision,
        options=parse_pairs(settings.runtime_options),
        threads=settings.threads,
        cores=cores,
        network_s=_BUDGET_S,
        visits=_VISITS,
        gap_s=0,
    )
    templates = sentinel_templates()
    stop = Stop()
    try:
        sessions = [
            time_session(Measurer(setup, stop, _TIMEOUT_S), templates) for _ in range(SESSIONS)
        ]
        paced = _time_paced(setup, templates[_PACED], stop)
    except LpnetError as error:
        return TrialRun(failure=str(error))
    finally:
        stop.close()
    return TrialRun(group_by_sentinel(sessions), paced)


def sentinel_templates() -> dict[Sentinel, SentinelTemplate]:
    return {sentinel: template(sentinel) for sentinel in get_args(Sentinel)}


def time_session(
    measurer: Measurer, templates: dict[Sentinel, SentinelTemplate]
) -> dict[Sentinel, tuple[Sample, ...]]:
    """Time each sentinel in a session, and end the session. Raises MeasureFailed."""
    samples: dict[Sentinel, list[Sample]] = {name: [] for name in templates}
    with measurer:
        for _ in range(TIMINGS):
            for name, sentinel in templates.items():
                sample = measurer.measure(sentinel.item(), sentinel.file, visits=_VISITS)
                samples[name].append(sample)
    return {name: tuple(timings) for name, timings in samples.items()}


def group_by_sentinel(
    sessions: list[dict[Sentinel, tuple[Sample, ...]]],
) -> dict[Sentinel, Sessions]:
    return {name: tuple(session[name] for session in sessions) for name in sessions[0]}


def _is_supported(settings: Settings) -> bool:
    return settings.runtime in NAMES and any(
        entry.available
        and entry.provider == settings.provider
        and settings.precision in entry.precisions
        for entry in list_support([settings.runtime])
    )


def _time_paced(setup: Setup, sentinel: SentinelTemplate, stop: Stop) -> Sample:
    paced_setup = setup.model_copy(update={"fps": PACED_FPS, "network_s": _PACED_BUDGET_S})
    with Measurer(paced_setup, stop, _TIMEOUT_S) as measurer:
        return measurer.measure(sentinel.item(), sentinel.file)
