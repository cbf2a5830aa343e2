"""What came of it, as tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.measuring.disturbers import TUNED_ON, WORDS
from benchmarks.measuring.peers import METHODS
from lpnet.schemas.condition import drift_pct, level, limit_pct

OFF = 0.03
NEIGHBOURS = 4
TRUTH = METHODS[0]


@dataclass(frozen=True)
class Outcome:
    """One sample of the agent; errors are relative to the truth. `plain` is what the same runs
    give when none of them is left out."""

    kind: str
    label: str
    error: float
    plain: float
    refused: bool
    drifted: bool


def show(phases: Sequence[dict[str, Any]]) -> None:
    """Print everything that docs/operate/measuring.md quotes."""
    agent = list(outcomes(phases))
    print(f"between-session noise floor: {100 * noise_floor(phases):.2f}% (agent, quiet phases)\n")
    _print_agent(phases, agent)
    _print_usual(phases)
    _print_totals(agent)


def truth(phases: Sequence[dict[str, Any]], index: int, label: str) -> float:
    """Naive median of a workload in the nearest quiet phases, its own excepted, ms."""
    quiet = [i for i, one in enumerate(phases) if one["kind"] == "quiet" and i != index]
    nearest = sorted(quiet, key=lambda i: abs(i - index))[:NEIGHBOURS]
    return statistics.median(phases[i]["usual"][label][TRUTH] for i in nearest)


def outcomes(phases: Sequence[dict[str, Any]]) -> Iterator[Outcome]:
    first = _first(phases)
    for index, one in enumerate(phases):
        drifted = _drifted(one["checks"], first)
        for label, sample in one["agent"].items():
            true = truth(phases, index, label)
            yield Outcome(
                one["kind"],
                label,
                sample["latency_ms"] / true - 1,
                sample["conditions"]["plain_ms"] / true - 1,
                sample["disturbed"] or drifted,
                drifted,
            )


def _first(phases: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """Of each sentinel its first readings in quiet phases, ms."""
    quiet = [check for one in phases if one["kind"] == "quiet" for check in one["checks"]]
    return {name: [c[name] for c in quiet if c[name]] for name in quiet[0]}


def _drifted(
    checks: Sequence[dict[str, float | None]], first: Mapping[str, Sequence[float]]
) -> bool:
    """Whether a sentinel was off by more than its limit, to the same side, before and after."""
    for name, made in first.items():
        level_ms, limit = level(made), limit_pct(made)
        drifts = [drift_pct(ms, level_ms) for check in checks if level_ms and (ms := check[name])]
        if drifts and (min(drifts) > limit or max(drifts) < -limit):
            return True
    return False


def noise_floor(phases: Sequence[dict[str, Any]]) -> float:
    """Median difference of the same workload between successive quiet phases, as the service
    computes it: undisturbed samples of different sessions."""
    first = _first(phases)
    quiet = [
        one["agent"]
        for one in phases
        if one["kind"] == "quiet" and not _drifted(one["checks"], first)
    ]
    spreads = [
        2 * abs(a["latency_ms"] - b["latency_ms"]) / (a["latency_ms"] + b["latency_ms"])
        for first, second in pairwise(quiet)
        for a, b in ((first[label], second[label]) for label in first)
        if not a["disturbed"] and not b["disturbed"]
    ]
    return statistics.median(spreads) if spreads else float("nan")


def _print_agent(phases: Sequence[dict[str, Any]], agent: Sequence[Outcome]) -> None:
    print(
        f"{'':12s} {'samples':>7s} {'plain off':>9s} {'refused':>8s} {'median':>8s} {'p90':>7s} "
        f"{'slipped':>8s} {'s/sample':>8s}"
    )
    for kind in _kinds(phases):
        found = [one for one in agent if one.kind == kind]
        kept = [abs(one.error) for one in found if not one.refused]
        off = [one for one in found if abs(one.plain) > OFF]
        slipped = sum(abs(one.error) > OFF and not one.refused for one in found)
        seconds = [one["seconds"] / len(one["agent"]) for one in phases if one["kind"] == kind]
        print(
            f"{kind:12s} {len(found):7d} {len(off):9d} {sum(o.refused for o in found):8d} "
            f"{_percent(kept, 50)} {_percent(kept, 90)} {slipped:8d} "
            f"{statistics.mean(seconds):8.2f}"
        )
    print(
        "plain off: the median of all runs is more than 3% off; refused: stored as disturbed; "
        "median and p90:\nof what is accepted; slipped: accepted and more than 3% off\n"
    )
    for kind in _kinds(phases):
        print(f"  {kind:12s} {WORDS[kind]}")
    print()


def _print_usual(phases: Sequence[dict[str, Any]]) -> None:
    print("median error, and share more than 3% off")
    print(" " * 12 + "".join(f"{name:>22s}" for name in METHODS))
    for kind in _kinds(phases):
        cells = []
        for method in METHODS:
            errors = [
                abs(values[method] / truth(phases, index, label) - 1)
                for index, one in enumerate(phases)
                if one["kind"] == kind
                for label, values in one["usual"].items()
            ]
            share = np.mean([error > OFF for error in errors])
            cells.append(f"{_percent(errors, 50)} {share:8.0%}")
        print(f"{kind:12s}" + "".join(f"{cell:>22s}" for cell in cells))
    print()


def _print_totals(agent: Sequence[Outcome]) -> None:
    groups = {
        "tuned on": [one for one in agent if one.kind in TUNED_ON],
        "not tuned on": [one for one in agent if one.kind not in (*TUNED_ON, "quiet")],
        "quiet": [one for one in agent if one.kind == "quiet"],
    }
    for name, found in groups.items():
        off = [one for one in found if abs(one.plain) > OFF]
        caught = [one for one in off if one.refused or abs(one.error) <= OFF]
        clean = [one for one in found if abs(one.plain) <= OFF]
        refused = [one for one in clean if one.refused]
        print(
            f"{name}: of {len(off)} samples whose plain median is more than 3% off, "
            f"{len(caught)} are caught ({sum(one.refused for one in off)} refused, the others "
            f"mended to within 3%); of {len(clean)} others {len(refused)} are refused, "
            f"{sum(one.drifted for one in refused)} of them because the sentinels had drifted"
        )


def _kinds(phases: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(one["kind"] for one in phases))


def _percent(shares: Sequence[float], quantile: float) -> str:
    return f"{100 * np.percentile(shares, quantile):7.2f}%" if len(shares) else f"{'-':>8s}"
