"""The results as tables."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.measuring.disturbers import DESCRIPTIONS, TUNED_ON
from benchmarks.measuring.peers import METHODS
from lpnet.schemas.condition import drift_pct, level, limit_pct

OFF = 0.03
NEIGHBOURS = 4
TRUTH = METHODS[0]


@dataclass(frozen=True)
class Outcome:
    """One sample of the agent, with errors relative to the true latency. `plain` is the error of
    the median of all its runs."""

    kind: str
    label: str
    error: float
    plain: float
    refused: bool
    drifted: bool


def print_tables(phases: Sequence[dict[str, Any]]) -> None:
    """Print the tables that docs/operate/measuring.md quotes."""
    agent = list(outcomes(phases))
    print(f"between-session noise floor: {100 * noise_floor(phases):.2f}% (agent, quiet phases)\n")
    _print_agent(phases, agent)
    _print_usual(phases)
    _print_totals(agent)


def true_ms(phases: Sequence[dict[str, Any]], index: int, label: str) -> float:
    """Naive median of a workload in the nearest quiet phases, except its own, ms."""
    quiet = [i for i, phase in enumerate(phases) if phase["kind"] == "quiet" and i != index]
    nearest = sorted(quiet, key=lambda i: abs(i - index))[:NEIGHBOURS]
    return float(statistics.median(phases[i]["usual"][label][TRUTH] for i in nearest))


def outcomes(phases: Sequence[dict[str, Any]]) -> Iterator[Outcome]:
    first = _first(phases)
    for index, phase in enumerate(phases):
        drifted = _drifted(phase["checks"], first)
        for label, sample in phase["agent"].items():
            true = true_ms(phases, index, label)
            yield Outcome(
                phase["kind"],
                label,
                sample["latency_ms"] / true - 1,
                sample["conditions"]["plain_ms"] / true - 1,
                sample["disturbed"] or drifted,
                drifted,
            )


def _first(phases: Sequence[dict[str, Any]]) -> dict[str, list[float]]:
    """The readings of each sentinel in quiet phases, ms."""
    quiet = [check for phase in phases if phase["kind"] == "quiet" for check in phase["checks"]]
    return {name: [c[name] for c in quiet if c[name]] for name in quiet[0]}


def _drifted(
    checks: Sequence[dict[str, float | None]], first: Mapping[str, Sequence[float]]
) -> bool:
    """Whether a sentinel was beyond its limit, in the same direction, before and after."""
    for name, readings in first.items():
        level_ms, limit = level(readings), limit_pct(readings)
        drifts = [drift_pct(ms, level_ms) for check in checks if level_ms and (ms := check[name])]
        if drifts and (min(drifts) > limit or max(drifts) < -limit):
            return True
    return False


def noise_floor(phases: Sequence[dict[str, Any]]) -> float:
    """Median difference of a workload between successive quiet phases. As in the service, only
    undisturbed samples of different sessions count."""
    first = _first(phases)
    quiet = [
        phase["agent"]
        for phase in phases
        if phase["kind"] == "quiet" and not _drifted(phase["checks"], first)
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
        samples = [sample for sample in agent if sample.kind == kind]
        kept = [abs(sample.error) for sample in samples if not sample.refused]
        off = [sample for sample in samples if abs(sample.plain) > OFF]
        slipped = sum(abs(sample.error) > OFF and not sample.refused for sample in samples)
        seconds = [
            phase["seconds"] / len(phase["agent"]) for phase in phases if phase["kind"] == kind
        ]
        print(
            f"{kind:12s} {len(samples):7d} {len(off):9d} {sum(s.refused for s in samples):8d} "
            f"{_percent(kept, 50)} {_percent(kept, 90)} {slipped:8d} "
            f"{statistics.mean(seconds):8.2f}"
        )
    print(
        "plain off: the median of all runs is more than 3% off; refused: stored as disturbed; "
        "median and p90:\nerror of accepted samples; slipped: accepted and more than 3% off\n"
    )
    for kind in _kinds(phases):
        print(f"  {kind:12s} {DESCRIPTIONS[kind]}")
    print()


def _print_usual(phases: Sequence[dict[str, Any]]) -> None:
    print("median error, and share more than 3% off")
    print(" " * 12 + "".join(f"{name:>22s}" for name in METHODS))
    for kind in _kinds(phases):
        cells = []
        for method in METHODS:
            errors = [
                abs(values[method] / true_ms(phases, index, label) - 1)
                for index, phase in enumerate(phases)
                if phase["kind"] == kind
                for label, values in phase["usual"].items()
            ]
            share = np.mean([error > OFF for error in errors])
            cells.append(f"{_percent(errors, 50)} {share:8.0%}")
        print(f"{kind:12s}" + "".join(f"{cell:>22s}" for cell in cells))
    print()


def _print_totals(agent: Sequence[Outcome]) -> None:
    groups = {
        "tuned on": [sample for sample in agent if sample.kind in TUNED_ON],
        "not tuned on": [sample for sample in agent if sample.kind not in (*TUNED_ON, "quiet")],
        "quiet": [sample for sample in agent if sample.kind == "quiet"],
    }
    for name, samples in groups.items():
        off = [sample for sample in samples if abs(sample.plain) > OFF]
        caught = [sample for sample in off if sample.refused or abs(sample.error) <= OFF]
        clean = [sample for sample in samples if abs(sample.plain) <= OFF]
        refused = [sample for sample in clean if sample.refused]
        print(
            f"{name}: of {len(off)} samples whose plain median is more than 3% off, "
            f"{len(caught)} are caught ({sum(sample.refused for sample in off)} refused, the "
            f"others corrected to within 3%); of {len(clean)} other samples {len(refused)} are "
            f"refused, {sum(sample.drifted for sample in refused)} of them because the sentinels "
            "had drifted"
        )


def _kinds(phases: Sequence[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(phase["kind"] for phase in phases))


def _percent(shares: Sequence[float], quantile: float) -> str:
    return f"{100 * np.percentile(shares, quantile):7.2f}%" if len(shares) else f"{'-':>8s}"
