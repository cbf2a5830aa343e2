"""The results as tables of docs/results/measuring.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import fill

import numpy as np

from benchmarks.measuring.demos import Demos
from benchmarks.measuring.disturbers import DESCRIPTIONS, NOT_TUNED_ON
from benchmarks.measuring.peers import METHODS
from benchmarks.measuring.results import Campaign, Results

# A sample is off if its error exceeds this.
OFF = 0.03


def summary(results: Results) -> str:
    known = results.known()
    count = len(results.campaigns)
    text = (
        f"Measured on {results.date} on {results.cpu}: {count} campaigns of "
        f"{len(results.truths)} workloads within {results.minutes:.0f} minutes. The truth of "
        f"{len(known)} workloads is known to within 1%, and only these are judged."
    )
    return fill(text, 120)


def caught(results: Results) -> str:
    """What was accepted and refused beside each disturber."""
    lines = [
        "| running beside it | samples | plain median more than 3% off | refused | of them good "
        "| accepted: median error | accepted and more than 3% off |",
        "|---|---|---|---|---|---|---|",
    ]
    for kind in _kinds(results):
        samples = list(_samples(results, kind))
        accepted = [abs(error) for error, _, disturbed in samples if not disturbed]
        refused = [abs(error) for error, _, disturbed in samples if disturbed]
        plain = [abs(error) for _, error, _ in samples]
        lines.append(
            f"| {_description(kind)} | {len(samples)} | {_off(plain)} | {len(refused)} "
            f"| {len(refused) - _off(refused)} | {_median(accepted)} | {_off(accepted)} |"
        )
    return "\n".join(lines)


def usual(results: Results) -> str:
    """Median error of the usual methods, and the share of workloads that are more than 3% off."""
    lines = [
        f"| running beside it | {' | '.join(METHODS)} | lpnet, accepted |",
        "|---|" + "---|" * (len(METHODS) + 1),
    ]
    known = results.known()
    for kind in _kinds(results):
        cells = []
        for method in METHODS:
            errors = [
                abs(known[name].error(ms[method]))
                for campaign in _of(results, kind)
                for name, ms in campaign.usual_ms.items()
                if name in known
            ]
            cells.append(_cell(errors))
        accepted = [abs(error) for error, _, bad in _samples(results, kind) if not bad]
        lines.append(f"| {_description(kind)} | {' | '.join(cells)} | {_cell(accepted)} |")
    return "\n".join(lines)


def cost(results: Results) -> str:
    """Time of the agent, relative to that of loading a workload and running it 50 times."""
    lines = [
        "| running beside it | s per sample | time of 50 runs each | timed repeats, of all time |",
        "|---|---|---|---|",
    ]
    for kind in _kinds(results):
        own = _of(results, kind)
        count = sum(len(campaign.latency_ms) for campaign in own)
        wall_s = sum(campaign.wall_s for campaign in own)
        ratio = wall_s / sum(campaign.usual_s for campaign in own)
        timed = sum(campaign.timed_s for campaign in own) / wall_s
        lines.append(
            f"| {_description(kind)} | {wall_s / count:.2f} | {ratio:.1f} times | {timed:.0%} |"
        )
    return "\n".join(lines)


def demos(runs: Demos) -> str:
    """A row per run of the demo."""
    lines = [
        f"Measured on {runs.date} on {runs.cpu}.",
        "",
        "| neighbour | networks | blocks | FLOPs-linear, networks | noise floor "
        "| in the 90% interval | shrunk, of budget | pruned, of budget | s | longest silence |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for run in runs.runs:
        name = "loud" if run.loud else "none"
        if run.networks_pct is None:
            figures = f"stopped {run.measuring_s:.0f} s after measuring began: {run.reason}"
            cells = [figures, *["-"] * 6]
        else:
            cells = [
                f"{run.networks_pct:.2f}%",
                _pct(run.blocks_pct),
                _pct(run.flops_pct),
                _pct(run.noise_floor_pct),
                f"{run.covered} of {run.held_out}",
                _pct(run.shrunk, 100),
                _pct(run.pruned, 100),
            ]
        cells += [f"{run.total_s:.0f}", f"{run.silent_s:.0f} s"]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _pct(value: float | None, factor: float = 1.0) -> str:
    return "unknown" if value is None else f"{factor * value:.1f}%"


PARTS = {"summary": summary, "caught": caught, "usual": usual, "cost": cost}


def _kinds(results: Results) -> list[str]:
    return list(dict.fromkeys(campaign.kind for campaign in results.campaigns))


def _of(results: Results, kind: str) -> list[Campaign]:
    return [campaign for campaign in results.campaigns if campaign.kind == kind]


def _samples(results: Results, kind: str) -> Iterator[tuple[float, float, bool]]:
    """Error of each sample, that of the median of all its runs, and whether it is disturbed."""
    known = results.known()
    for campaign in _of(results, kind):
        for name, ms in campaign.latency_ms.items():
            if name in known:
                plain = known[name].error(campaign.plain_ms[name])
                yield known[name].error(ms), plain, campaign.disturbed[name]


def _description(kind: str) -> str:
    return DESCRIPTIONS[kind] + (" \\*" if kind in NOT_TUNED_ON else "")


def _off(errors: Sequence[float]) -> int:
    return sum(error > OFF for error in errors)


def _median(errors: Sequence[float]) -> str:
    return f"{np.median(errors):.2%}" if errors else "-"


def _cell(errors: Sequence[float]) -> str:
    return f"{_median(errors)}, {_off(errors) / len(errors):.0%}" if errors else "-"
