"""The tables of a run, in Markdown."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Callable, Sequence

from benchmarks.accuracy.kinds.results import Results, Workload

WORST = 5
NOT_RUN = "Not run yet."
_BASELINES = {
    "flops": "FLOPs-linear",
    "flops_bytes": "FLOPs and bytes",
    "flops_per_space": "FLOPs-linear per space",
}


def summary(results: Results) -> str:
    """What was measured, in sentences."""
    blocks = sum(count.trained_blocks for count in results.counts)
    networks = sum(count.trained_networks for count in results.counts)
    held_out_blocks = sum(count.held_out_blocks for count in results.counts)
    held_out_networks = sum(count.held_out_networks for count in results.counts)
    disturbed = sum(count.disturbed for count in results.counts)
    left_out = sum(count.left_out for count in results.counts)
    uncovered = sum(count.uncovered for count in results.counts)
    seconds = results.measuring_s
    measured = "" if seconds is None else f", measured within {seconds:.0f} s"
    quick = "A short run for development. " if results.quick else ""
    text = (
        f"{quick}Measured on {results.date} on {results.cpu}, {results.target}{measured}; the "
        f"training took {results.training_s:.0f} s. Trained on {blocks} blocks and {networks} "
        f"networks, tested on {held_out_blocks} other blocks and {held_out_networks} other "
        f"networks. {disturbed} samples were disturbed and are on neither side, as are {left_out} "
        "blocks that a held-out network contains. The LPNet does not cover "
        f"{uncovered} of the held-out workloads. The noise floor was "
        f"{_percent(results.noise_floor_pct)}."
    )
    return textwrap.fill(text, 120)


def errors(results: Results, kind: str) -> str:
    """A row per space, and one for all: median and mean absolute error."""
    lines = [
        _row(
            [
                "kind",
                "space",
                "n",
                "LPNet, median and mean",
                "in the 90% interval",
                *_BASELINES.values(),
                "noise floor",
            ]
        ),
        "|---|---|---:|---:|---:|" + "---:|" * (len(_BASELINES) + 1),
    ]
    for count in results.counts:
        own = [w for w in results.workloads if (w.space, w.kind) == (count.space, kind)]
        if own:
            names = [count.kind, count.space]
            lines.append(_row([*names, *_figures(own), _percent(count.noise_floor_pct)]))
    every = [w for w in results.workloads if w.kind == kind]
    if not every:
        return NOT_RUN
    lines.append(_row(["all", "", *_figures(every), _percent(results.noise_floor_pct)]))
    return "\n".join(lines)


def _figures(workloads: Sequence[Workload]) -> list[str]:
    inside = statistics.mean(w.inside for w in workloads)
    cells = [
        str(len(workloads)),
        _both([abs(w.error_pct) for w in workloads]),
        f"{inside:.0%}",
    ]
    for name in _BASELINES:
        known = [e for w in workloads if (e := w.baseline_error_pct(name)) is not None]
        cells.append(_both(known))
    return cells


def worst(results: Results) -> str:
    """The held-out workloads with the largest errors, and where the LPNet puts their time."""
    lines = [
        "| space | workload | draw | measured | predicted | error | in the 90% interval "
        "| ops, by predicted time |",
        "|---|---|---|---:|---:|---:|---|---|",
    ]
    ordered = sorted(results.workloads, key=lambda w: -abs(w.error_pct))
    for workload in ordered[:WORST]:
        ops = "; ".join(f"{op.name} ({op.share:.0%})" for op in workload.ops)
        lines.append(
            _row(
                [
                    workload.space,
                    workload.block or workload.kind,
                    workload.draw,
                    f"{workload.measured_ms:.3f} ms",
                    f"{workload.predicted_ms:.3f} ms",
                    f"{workload.error_pct:+.1f}%",
                    "yes" if workload.inside else "no",
                    ops,
                ]
            )
        )
    return "\n".join(lines)


def by_op(results: Results) -> str:
    """Errors of held-out workloads by the type of op that takes longest in them."""
    groups: dict[str, list[Workload]] = {}
    for workload in results.workloads:
        groups.setdefault(workload.ops[0].name.split()[0], []).append(workload)
    lines = [
        "| longest op | n | median error | median absolute error | mean absolute error |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, own in sorted(groups.items(), key=lambda item: -len(item[1])):
        signed = [workload.error_pct for workload in own]
        size = [abs(error) for error in signed]
        cells = [f"{statistics.median(signed):+.1f}%", f"{statistics.median(size):.1f}%"]
        lines.append(_row([name, str(len(own)), *cells, f"{statistics.mean(size):.1f}%"]))
    return "\n".join(lines)


PARTS: dict[str, Callable[[Results], str]] = {
    "kinds summary": summary,
    "kinds networks": lambda results: errors(results, "network"),
    "kinds blocks": lambda results: errors(results, "block"),
    "kinds worst": worst,
    "kinds ops": by_op,
}


def _both(values: Sequence[float]) -> str:
    if not values:
        return "-"
    return f"{statistics.median(values):.1f}%, {statistics.mean(values):.1f}%"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}%"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
