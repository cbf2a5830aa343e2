"""The tables of the runs, in Markdown."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Sequence

import numpy as np

from benchmarks.accuracy.pruned.results import Chosen, HeldOut, Results, Sweep, Transfer
from benchmarks.accuracy.study.comparing import excess

NOT_RUN = "Not run yet."
_WIDTH = 120


def render(runs: Sequence[Results]) -> str:
    """A section per runtime."""
    return "\n\n".join(section(run) for run in runs) if runs else NOT_RUN


def section(run: Results) -> str:
    parts = [
        f"### {run.runtime}",
        _summary(run),
        _tested(run),
        "Networks that were chosen by optimising the predictor:",
        _chosen(run.chosen),
        "Spaces that the LPNet was not trained on, whole networks:",
        _transfers(run.transfers),
        "Fast widths, in sweeps of one width of a block:",
        _sweeps(run.sweeps),
    ]
    return "\n\n".join(parts)


def _summary(run: Results) -> str:
    quick = "A short run for development. " if run.quick else ""
    changes = ""
    if run.granule_spearman is not None:
        changes = (
            " Predicted and measured changes of latency by a small step of one width have a rank "
            f"correlation of {run.granule_spearman:.2f}, over {run.granule_pairs} pairs whose "
            f"change exceeds twice the floor; the regret of the ten best cuts is "
            f"{_percent(run.regret_pct)}."
        )
    text = (
        f"{quick}Measured on {run.date} on {run.machine}. The LPNet, of kind {run.kind}, was "
        f"trained on {run.trained_blocks} samples of blocks and {run.trained_networks} of "
        f"networks. The noise floor is {_percent(run.block_floor_pct)} on blocks and "
        f"{_percent(run.network_floor_pct)} on networks.{changes}"
    )
    return textwrap.fill(text, _WIDTH)


def _tested(run: Results) -> str:
    if not run.tested:
        return NOT_RUN
    lines = [
        "| held out | n | LPNet, MAPE | over the floor | largest error | in the 90% interval "
        "| FLOPs-linear | FLOPs-linear per space |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    groups = dict.fromkeys((row.network, row.kind) for row in run.tested)
    for network, kind in sorted(groups, key=lambda group: (group[1], group[0]), reverse=True):
        own = [row for row in run.tested if (row.network, row.kind) == (network, kind)]
        floor = run.network_floor_pct if kind == "network" else run.block_floor_pct
        lines.append(_row([f"{kind}s of {network}", *_errors(own, floor)]))
    return "\n".join(lines)


def _errors(rows: Sequence[HeldOut], floor_pct: float | None) -> list[str]:
    measured = np.array([row.measured_ms for row in rows])
    errors = _errors_pct([row.predicted_ms for row in rows], measured)
    mape = float(errors.mean())
    over = "unknown" if floor_pct is None else _percent(excess(mape, floor_pct))
    inside = statistics.mean(row.inside for row in rows)
    linear = [_mape([row.flops_ms for row in rows], measured)]
    linear.append(_mape([row.flops_per_space_ms for row in rows], measured))
    largest = f"{errors.max():.1f}%"
    return [str(len(rows)), _percent(mape), over, largest, f"{inside:.0%}", *linear]


def _mape(predicted: Sequence[float | None], measured: np.ndarray) -> str:
    available = [ms for ms in predicted if ms is not None]
    if len(available) < len(predicted):
        return "-"
    return f"{_errors_pct(available, measured).mean():.1f}%"


def _errors_pct(predicted: Sequence[float], measured: np.ndarray) -> np.ndarray:
    errors: np.ndarray = 100.0 * np.abs(np.array(predicted) - measured) / measured
    return errors


def _chosen(rows: Sequence[Chosen]) -> str:
    if not rows:
        return NOT_RUN
    lines = [
        "| network | chosen by | n | MAPE | median signed error | largest error "
        "| measured within the 95% upper end |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    groups = dict.fromkeys((row.network, row.method) for row in rows)
    for network, method in sorted(groups):
        own = [row for row in rows if (row.network, row.method) == (network, method)]
        lines.append(_row([network, method, *_chosen_cells(own)]))
    lines.append(_row(["all", "", *_chosen_cells(rows)]))
    return "\n".join(lines)


def _chosen_cells(rows: Sequence[Chosen]) -> list[str]:
    signed = [row.error_pct for row in rows]
    sizes = [abs(error) for error in signed]
    within = statistics.mean(row.measured_ms <= row.upper_ms for row in rows)
    return [
        str(len(rows)),
        _percent(statistics.mean(sizes)),
        f"{statistics.median(signed):+.1f}%",
        f"{max(sizes):.1f}%",
        f"{within:.0%}",
    ]


def _transfers(rows: Sequence[Transfer]) -> str:
    if not rows:
        return NOT_RUN
    lines = [
        "| trained on | tested on | networks of it in training | n | MAPE | median signed error "
        "| not covered, so refused |",
        "|---|---|---:|---:|---:|---:|---|",
    ]
    for row in rows:
        cells = [row.source, row.target, str(row.few), str(row.n), _percent(row.mape_pct)]
        uncovered = ", ".join(row.uncovered) or "-"
        lines.append(_row([*cells, f"{row.median_error_pct:+.1f}%", uncovered]))
    return "\n".join(lines)


def _sweeps(sweeps: Sequence[Sweep]) -> str:
    if not sweeps:
        return NOT_RUN
    lines = [
        "| block | values | certain | fast | of these detected | not fast "
        "| of these predicted as fast |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for sweep in sweeps:
        name = f"{sweep.network} {sweep.block}"
        lines.append(_row([name, str(len(sweep.values)), *_sweep_cells([sweep])]))
    values = sum(len(sweep.values) for sweep in sweeps)
    lines.append(_row(["all", str(values), *_sweep_cells(sweeps)]))
    return "\n".join(lines)


def _sweep_cells(sweeps: Sequence[Sweep]) -> list[str]:
    judged = [
        (is_fast, predicted)
        for sweep in sweeps
        for is_fast, predicted, sure in zip(
            sweep.fast, sweep.predicted_fast, sweep.certain, strict=True
        )
        if sure
    ]
    detected = [predicted for is_fast, predicted in judged if is_fast]
    invented = [predicted for is_fast, predicted in judged if not is_fast]
    return [
        str(len(judged)),
        str(len(detected)),
        _share(detected),
        str(len(invented)),
        _share(invented),
    ]


def _share(values: Sequence[bool]) -> str:
    return f"{statistics.mean(values):.0%}" if values else "-"


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.2f}%"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
