"""What a real measurement says about the device."""

from __future__ import annotations

from collections.abc import Mapping

from lpnet.schemas.sample import Sentinel
from lpnet_agent.doctor.finding import Finding, Scope, unknown
from lpnet_agent.doctor.trial import PACE_FPS, SESSIONS, TIMINGS, Trial, medians

_LOOKED = f"two small networks timed {TIMINGS} times in each of {SESSIONS} sessions"
_QUIET = 0.02
_SPOILT = 0.10
_PACE_MATTERS = 0.10
_AGAIN = "lpnet-agent doctor    # again, at a quiet time"


def within(scope: Scope) -> Finding:
    """Whether the same session gives the same figure again, undisturbed."""
    name, trial = "noise within a session", scope.trial
    if trial is None or trial.left_out is not None:
        return unknown(name, _LOOKED, _why(trial))
    if trial.failure is not None:
        return Finding(name, "bad", _LOOKED, trial.failure, "lpnet-agent list-runtimes")
    spreads = {
        kind: max(_spread([sample.latency_ms for sample in timed]) for timed in sessions)
        for kind, sessions in trial.timed.items()
    }
    words = "timings of a session are within " + _each(spreads)
    disturbed = [sample for sample in trial.samples if sample.disturbed]
    if disturbed:
        reasons = dict.fromkeys(reason for sample in disturbed for reason in sample.reasons)
        words += f"; {len(disturbed)} of {len(trial.samples)} disturbed: {'; '.join(reasons)}"
    worst = max(spreads.values())
    if worst > _SPOILT:
        return Finding(name, "bad", _LOOKED, words, _AGAIN)
    if disturbed or worst > _QUIET:
        return Finding(name, "attend", _LOOKED, words, _AGAIN)
    return Finding(name, "ok", _LOOKED, words)


def between(scope: Scope) -> Finding:
    """Whether another session gives the same figure: nothing learned here is better than that."""
    name, trial = "noise between sessions", scope.trial
    if trial is None or not trial.timed:
        return unknown(name, _LOOKED, _why(trial))
    found = {kind: medians(sessions) for kind, sessions in trial.timed.items()}
    apart = {kind: _spread(values) for kind, values in found.items()}
    figures = "; ".join(
        f"{kind} {', '.join(f'{value:.3f}' for value in values)} ms"
        for kind, values in found.items()
    )
    words = f"{figures}: apart by {_each(apart)}"
    worst = max(apart.values())
    if worst <= _QUIET:
        return Finding(name, "ok", _LOOKED, words)
    return Finding(name, "bad" if worst > _SPOILT else "attend", _LOOKED, words, _AGAIN)


def paced(scope: Scope) -> Finding:
    """What rests between inferences cost: clocks and caches go to sleep with the core."""
    name, trial = "paced against sustained", scope.trial
    looked = f"one of them at {PACE_FPS:.0f} inferences a second, against back to back"
    ratio = None if trial is None else trial.pace_ratio
    if trial is None or trial.paced is None or ratio is None:
        return unknown(name, looked, _why(trial))
    words = f"{trial.paced.latency_ms:.3f} ms, {ratio:.2f} times as long as back to back"
    if abs(ratio - 1) > _PACE_MATTERS:
        # How a device is, and no fault of it.
        words += (
            ". An app that rests between frames sees this latency; lpnet-agent run "
            f"--fps {PACE_FPS:.0f} is a target of its own that does"
        )
    return Finding(name, "ok", looked, words)


def _spread(values: list[float]) -> float:
    return max(values) / min(values) - 1


def _each(shares: Mapping[Sentinel, float]) -> str:
    """For example "1.2% (arithmetic), 0.4% (memory)"."""
    return ", ".join(f"{share:.1%} ({kind})" for kind, share in shares.items())


def _why(trial: Trial | None) -> str:
    if trial is None:
        return "not tried on a recorded machine"
    return f"not tried: {trial.left_out or trial.failure}"
