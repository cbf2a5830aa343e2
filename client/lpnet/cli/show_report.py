"""The report of an LPNet, printed for people on a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.markup import escape
from rich.table import Table

from lpnet.cli.layout import UNKNOWN, new_grid, noise, percent, print_all
from lpnet.schemas.report import Baseline, Interval, Metrics, Report

_SIDES = {
    2: "both held out",
    1: "one or both held out",
    0: "some or all trained on, since too few were held out",
}


def print_report(report: Report) -> None:
    trained = report.trained_on
    print_all(
        f"[bold]{report.target}[/bold]: trained on {trained.block} blocks and {trained.network} "
        f"networks; {_noise(report)}"
    )
    for warning in report.warnings:
        print_all(f"[yellow]{warning.kind}[/yellow]: {escape(warning.message)}")
    numbers = ["n", "MAPE", "RMSPE", "within 5%", "within 10%", "Spearman"]
    grid = new_grid(None, "held out", *numbers, numbers=numbers)
    held = report.held_out
    for name, metrics in (
        ("networks", held.network),
        ("  random", held.network_random),
        ("  aligned", held.network_aligned),
        ("  chosen by a pruner", held.network_pruned),
        ("blocks", held.block),
    ):
        grid.add_row(name, *_metrics(metrics))
    print_all(grid, "", _baselines(report), "", *_notes(report))


def _noise(report: Report) -> str:
    text = noise(report.noise_floor_pct, report.reasons.get("noise_floor_pct"))
    low, high = report.noise_floor_low_pct, report.noise_floor_high_pct
    if low is None or high is None:
        return text
    return f"{text} (95% interval {low:.2f} to {percent(high, 2)})"


def _metrics(metrics: Metrics | None) -> list[str]:
    if metrics is None:
        return [UNKNOWN] * 6
    return [
        str(metrics.n),
        percent(metrics.mape_pct, 2),
        percent(metrics.rmspe_pct, 2),
        percent(metrics.within_5_pct, 0),
        percent(metrics.within_10_pct, 0),
        UNKNOWN if metrics.spearman is None else f"{metrics.spearman:.3f}",
    ]


def _baselines(report: Report) -> Table:
    grid = new_grid(None, "MAPE of", "networks", "blocks", numbers=["networks", "blocks"])

    def row(name: str, network: Metrics | None, block: Metrics | None) -> None:
        values = (percent(m.mape_pct, 2) if m else UNKNOWN for m in (network, block))
        grid.add_row(name, *values)

    row("LPNet", report.held_out.network, report.held_out.block)
    for name in type(report.baselines).model_fields:
        baseline: Baseline = getattr(report.baselines, name)
        row(_readable(name), baseline.network, baseline.block)
    return grid


def _notes(report: Report) -> Iterator[str]:
    yield from _choice(report)
    for name in type(report.baselines).model_fields:
        part = getattr(report.baselines, name).trained_on
        if part is not None:
            yield (
                f"{name.replace('_', ' ')}: learned from {part.block} blocks and {part.network} "
                "networks only"
            )
    for name in ("held_out.batch", "held_out.uncovered"):
        if name in report.reasons:
            yield f"not tested: {escape(report.reasons[name])}"
    for kind, interval in (("networks", report.interval), ("blocks", report.interval_block)):
        yield from _interval(kind, interval)
    yield from _small_changes(report)


def _choice(report: Report) -> Iterator[str]:
    if report.kind is None:
        return
    errors = ", ".join(
        f"{_readable(candidate.kind)} {percent(candidate.mean_pct)}"
        for candidate in report.candidates or ()
    )
    if errors:
        yield f"kind: {_readable(report.kind)}, by the mean errors in cross-validation: {errors}"
    else:
        yield f"kind: {_readable(report.kind)}"
    if report.transferred_from is not None:
        yield f"training began with the samples of {report.transferred_from}"


def _readable(name: str) -> str:
    return name.replace("_", " ")


def _interval(kind: str, interval: Interval | None) -> Iterator[str]:
    if interval is not None and interval.covered_pct is not None:
        yield (
            f"{interval.asked_pct:.0f}% interval: covers {interval.covered_pct:.0f}% of held-out "
            f"{kind}, mean width {percent(interval.mean_width_pct)}"
        )


def _small_changes(report: Report) -> Iterator[str]:
    cuts, change = report.cuts, report.granule_change
    if cuts is None or change is None:
        yield f"small changes of a width: unknown, {_reason(report, 'granule_change')}"
        return
    rank = UNKNOWN if change.spearman is None else f"{change.spearman:.3f}"
    yield (
        f"small changes of a width ({cuts.n} pairs of workloads, {_SIDES[cuts.held_out]}): rank "
        f"correlation {rank} over {change.n} changes beyond twice the noise floor, median error "
        f"{percent(change.median_rel_error_pct)} of the change"
    )
    if report.regret_pct is None:
        yield f"regret of the ten best cuts: unknown, {_reason(report, 'regret_pct')}"
    else:
        yield f"regret of the ten best cuts: they save {percent(report.regret_pct)} less"


def _reason(report: Report, name: str) -> str:
    return report.reasons.get(name, "the report is of an older version")
