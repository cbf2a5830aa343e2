"""Checks of the noise of a trial run."""

from __future__ import annotations

from collections.abc import Mapping

from lpnet.schemas.sample import Sentinel
from lpnet_agent.doctor.finding import CheckContext, Finding, Subject
from lpnet_agent.doctor.trial_run import (
    PACED_FPS,
    SESSIONS,
    TIMINGS,
    TrialRun,
    session_medians_ms,
)
from lpnet_agent.measure.probe_levels import CLOCK_RANGE

_SOURCE = f"two small networks timed {TIMINGS} times in each of {SESSIONS} sessions"
# Relative spreads.
_LOW = 0.02
_TOO_HIGH = 0.10
_PACE_MATTERS = 0.10
_SLOWED_AT_TIMES, _SLOWED_OFTEN = 0.03, 0.3
_OTHER_CORE = "taskset -c N lpnet-agent doctor    # on another core"
_REPEAT = "lpnet-agent doctor    # again, when the machine is less busy"


def within(context: CheckContext) -> Finding:
    subject, trial = Subject("noise within a session", _SOURCE), context.trial
    if trial is None or trial.skipped is not None:
        return subject.unknown(_missing(trial))
    if trial.failure is not None:
        return subject.bad(trial.failure, "lpnet-agent list-runtimes")
    spreads = {
        sentinel: max(_spread([sample.latency_ms for sample in samples]) for samples in sessions)
        for sentinel, sessions in trial.sentinels.items()
    }
    observation = f"timings of a session differ by {_format(spreads)}"
    disturbed = [sample for sample in trial.samples if sample.disturbed]
    if disturbed:
        reasons = dict.fromkeys(reason for sample in disturbed for reason in sample.reasons)
        observation += (
            f"; {len(disturbed)} of {len(trial.samples)} disturbed: {'; '.join(reasons)}"
        )
    worst = max(spreads.values())
    if worst > _TOO_HIGH:
        return subject.bad(observation, _REPEAT)
    if disturbed or worst > _LOW:
        return subject.caution(observation, _REPEAT)
    return subject.ok(observation)


def between(context: CheckContext) -> Finding:
    """Whether sessions agree: no latency model can be more accurate than that."""
    subject, trial = Subject("noise between sessions", _SOURCE), context.trial
    if trial is None or not trial.sentinels:
        return subject.unknown(_missing(trial))
    medians_ms = {name: session_medians_ms(s) for name, s in trial.sentinels.items()}
    spreads = {sentinel: _spread(values) for sentinel, values in medians_ms.items()}
    latencies = "; ".join(
        f"{sentinel} {', '.join(f'{value:.3f}' for value in values)} ms"
        for sentinel, values in medians_ms.items()
    )
    observation = f"{latencies}: sessions differ by {_format(spreads)}"
    worst = max(spreads.values())
    if worst <= _LOW:
        return subject.ok(observation)
    report = subject.bad if worst > _TOO_HIGH else subject.caution
    return report(observation, _REPEAT)


def core_speed(context: CheckContext) -> Finding:
    """Whether the core itself becomes slower, which no counter shows."""
    subject = Subject("speed of the core", "a matrix product between the runs of the same")
    trial = context.trial
    if trial is None or not trial.sentinels:
        return subject.unknown(_missing(trial))
    conditions = [s.conditions for s in trial.samples if s.conditions is not None]
    times = [each.arithmetic_ns for each in conditions if each.arithmetic_ns is not None]
    if not times:
        return subject.unknown("this measurement takes no probes")
    runs = sum(each.runs or 0 for each in conditions)
    slowed = sum(each.slowed_runs or 0 for each in conditions) / max(1, runs)
    spread = max(times) / min(times) - 1
    observation = f"its clock varies by {spread:.1%}, and {slowed:.0%} of the runs were slowed"
    if spread > CLOCK_RANGE or slowed > _SLOWED_OFTEN:
        neighbour = "a neighbour computes on its other hyperthread, or it is throttled"
        return subject.bad(f"{observation}: {neighbour}", _OTHER_CORE)
    if slowed > _SLOWED_AT_TIMES:
        return subject.caution(observation, _OTHER_CORE)
    return subject.ok(observation)


def paced(context: CheckContext) -> Finding:
    """How much longer an inference takes after a pause, when the core has slowed down."""
    subject = Subject(
        "paced against sustained",
        f"one of them at {PACED_FPS:.0f} inferences per second, and back to back",
    )
    trial = context.trial
    if trial is None or trial.paced is None or (ratio := trial.pace_ratio) is None:
        return subject.unknown(_missing(trial))
    observation = f"{trial.paced.latency_ms:.3f} ms, {ratio:.2f} times as long as back to back"
    if abs(ratio - 1) > _PACE_MATTERS:
        # A property of the device, not a fault.
        observation += (
            ". An app that pauses between frames has this latency; to measure it, run "
            f"`lpnet-agent run --fps {PACED_FPS:.0f}`, which is a target of its own"
        )
    return subject.ok(observation)


def _spread(values: list[float]) -> float:
    return max(values) / min(values) - 1


def _format(spreads: Mapping[Sentinel, float]) -> str:
    """For example "1.2% (arithmetic), 0.4% (memory)"."""
    return ", ".join(f"{spread:.1%} ({sentinel})" for sentinel, spread in spreads.items())


def _missing(trial: TrialRun | None) -> str:
    if trial is None:
        return "not measured on a recorded machine"
    return f"not measured: {trial.skipped or trial.failure}"
