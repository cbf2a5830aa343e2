"""Why samples are disturbed: the reasons of agents by their cause, and what would help."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lpnet.schemas.quality import Cause, DisturbanceCause


@dataclass(frozen=True)
class _Known:
    """A cause: the pattern of its reasons, the cause in words, and advice against it."""

    cause: Cause
    pattern: str
    text: str
    advice: tuple[str, ...]


_QUIETER = "stop other work on the device, or measure at a quieter hour"
_OTHER_CORE = (
    "measure on another core: the agent takes the last that it may use, so `taskset -c 0-2 "
    "lpnet-agent run` takes core 2. A virtual core may share its physical core with a busy one"
)
_OTHER_MACHINE = "measure at a quieter hour, or on a machine with cores and memory of its own"
_ACCEPT = (
    "if the other cores are always this busy, LPNET_AGENT_CROWDED=1 makes the agent accept it"
)
_WAIT = "wait until the device is as before: `lpnet sentinels TARGET` shows its readings"
_COOL = "let the device cool, or set LPNET_AGENT_MAX_TEMPERATURE_C, above which the agent pauses"
_FEWER_THREADS = "measure with fewer threads (--threads): each needs an undisturbed core"
_DOCTOR = "run `lpnet-agent doctor` on the device: it names what is busy and what to set"

_BUSY_CORES = "the other cores were busy, which slows caches and memory"
_DISAGREEING = "visits to a workload disagree, so something unseen changes the speed"
# The first whose pattern occurs in a reason is its cause.
_CAUSES = (
    _Known("drift", "sentinel", "the device changed: its sentinels drifted", (_WAIT,)),
    _Known("hypervisor", "hypervisor", "the hypervisor took the CPU", (_OTHER_MACHINE,)),
    _Known("heat", "throttled", "the CPU was slowed down for heat", (_COOL,)),
    _Known("gpu", r"\bGPU\b", "other work used the GPU, or it was slowed down", (_QUIETER,)),
    _Known("cpu", "other work (had|on) its CPU", "other work had its CPU", (_QUIETER,)),
    _Known("cores", "other cores", _BUSY_CORES, (_QUIETER, _ACCEPT)),
    _Known("memory", r"memory \d+% slower", "memory was slower than usual", (_OTHER_MACHINE,)),
    _Known("speed", "arithmetic was slower", "the core was slower than usual", (_OTHER_CORE,)),
    _Known("visits", "visits? (disagree|was made)", _DISAGREEING, (_OTHER_CORE,)),
)
_OTHER = "another reason"


def causes(reasons: Iterable[Sequence[str]]) -> list[DisturbanceCause]:
    """The causes of disturbed samples, most frequent first; `reasons` are those of each sample."""
    counts: Counter[Cause] = Counter()
    examples: dict[Cause, str] = {}
    for sample_reasons in reasons:
        by_cause = {_cause_of(reason): reason for reason in reversed(sample_reasons)}
        counts.update(list(by_cause))
        examples = by_cause | examples
    return [
        DisturbanceCause(cause=cause, text=_text(cause), samples=count, example=examples[cause])
        for cause, count in counts.most_common()
    ]


def advice(present: Sequence[DisturbanceCause], threads: int | None, *, unseen: bool) -> list[str]:
    """What would help against these causes on a target with so many threads. `unseen`: its speed
    also changes without a cause that shows."""
    names = {cause.cause for cause in present}
    lines = [line for known in _CAUSES if known.cause in names for line in known.advice]
    if unseen:
        lines.append(_OTHER_CORE)
    if threads is not None and threads > 1:
        lines.append(_FEWER_THREADS)
    return list(dict.fromkeys([*lines, _DOCTOR]))


def _cause_of(reason: str) -> Cause:
    matching = (known.cause for known in _CAUSES if re.search(known.pattern, reason))
    return next(matching, "other")


def _text(cause: Cause) -> str:
    return next((known.text for known in _CAUSES if known.cause == cause), _OTHER)
