"""Results as people read them in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

from lpnet.cli.layout import UNKNOWN, ago, grid_of, ms, noise, percent, put
from lpnet.schemas.campaign import Campaign
from lpnet.schemas.condition import SentinelHistory
from lpnet.schemas.device import Device, Target
from lpnet.schemas.lpnet import Prediction
from lpnet.schemas.memory import MemoryLimits
from lpnet.schemas.report import NOISE_UNKNOWN, Baseline, Metrics, Report
from lpnet.schemas.sample import Sample
from lpnet.schemas.table import TableRow
from lpnet.schemas.workload import OpsWorkload, SpaceWorkload

if TYPE_CHECKING:
    from lpnet.space.space import Space

MAX_LISTED_GRADIENTS = 60
_VERDICTS = {
    "fits": "fits in the target's memory",
    "unknown": "not known to fit in the target's memory",
    "does not fit": "[red]does not fit in the target's memory[/red]",
}


def devices(found: Sequence[Device]) -> None:
    """The devices, a row each."""
    grid = grid_of(None, "device", "cpu", "cores", "memory", "targets", "seen", numbers=["cores"])
    for device in found:
        facts = device.facts
        memory = UNKNOWN if facts.memory_mib is None else f"{facts.memory_mib / 1024:.0f} GiB"
        cores = UNKNOWN if facts.cores is None else str(facts.cores)
        seen = "imported" if device.source == "imported" else ago(device.last_seen_at)
        names = ", ".join(device.targets)
        grid.add_row(device.name, facts.cpu or UNKNOWN, cores, memory, names, seen)
    put(grid if found else "no device yet: run `lpnet-agent run` on one")


def targets(found: Sequence[Target]) -> None:
    """The targets, a row each that fits 80 columns; what they are doing and why, a line each."""
    numbers = ["samples", "noise", "error"]
    grid = grid_of(None, "target", "state", *numbers, numbers=numbers)
    for one in found:
        floor, error = one.noise_floor_pct, one.network_mape_pct
        grid.add_row(
            one.name,
            one.state,
            str(one.samples),
            "unknown" if floor is None else percent(floor, 2),
            "no LPNet" if one.lpnet is None else "unknown" if error is None else percent(error),
        )
    put(grid if found else "no target yet: run `lpnet-agent run`, or `lpnet import`")
    for one in found:
        line(f"{one.name}: {state(one)}")
    for one in found:
        if one.memory is not None:
            line(f"{one.name}: {memory(one.memory)}")
    if found:
        put("noise: the noise floor; error: of the LPNet on held-out networks")
    why = {one.noise_floor_reason or NOISE_UNKNOWN for one in found if one.noise_floor_pct is None}
    for reason in sorted(why):
        put(f"noise floor unknown: {reason}; no error below it would mean anything")


def memory(limits: MemoryLimits) -> str:
    """How large networks may be on a target."""
    fits = limits.fits_mib
    most = "" if fits is None else f", up to {fits:.4g} MiB were measured"
    return f"networks of {limits.fails_mib:.4g} MiB and more do not fit in its memory{most}"


def state(one: Target) -> str:
    """What a target is doing, why, and since when."""
    text = one.state + (f": {one.state_reason}" if one.state_reason else "")
    # An import is one for ever, and an agent's silence says by itself how long it is.
    timed = one.state_since is not None and one.state not in ("imported", "offline")
    return f"{text}, since {ago(one.state_since)}" if timed else text


def table(about: Target, rows: Sequence[TableRow]) -> None:
    """Rows of a latency table."""
    floor = noise(about.noise_floor_pct, about.noise_floor_reason)
    numbers = ["measured ms", "spread", "predicted ms", "error"]
    grid = grid_of(
        f"{about.name}: {about.samples} samples, {floor}",
        "kind",
        "workload",
        *numbers,
        "note",
        numbers=numbers,
    )
    for row in rows:
        spread = None if row.std_ms is None else 100 * row.std_ms / row.latency_ms
        grid.add_row(
            row.kind,
            workload(row.workload),
            ms(row.latency_ms),
            percent(spread),
            ms(row.predicted_ms),
            percent(row.error_pct),
            _note(row),
        )
    put(grid if rows else f"{about.name} has no such sample; {floor}")


def _note(row: TableRow) -> str:
    if row.disturbed:
        return f"disturbed: {'; '.join(row.reasons) or 'no reason recorded'}"
    return "held out" if row.held_out else ""


def workload(value: OpsWorkload | SpaceWorkload, most: int = 60) -> str:
    """A workload in a few words."""
    if isinstance(value, OpsWorkload):
        text = " + ".join(f"{op.type} {op.c_in}>{op.c_out}" for op in value.ops)
    else:
        kept = " ".join(str(channels) for channels in value.widths.values())
        text = f"{value.block or value.space[:8]} {kept}"
    return text if len(text) <= most else text[: most - 3] + "..."


def campaign(found: Campaign) -> None:
    """How a campaign ended."""
    put(f"campaign {found.id} {found.state}: {found.measured} of {found.total} measured")
    if found.disturbed:
        put(f"  {found.disturbed} of them disturbed, and out of training")
    for line in found.failures:
        put(f"  {line}")


def predictions(found: Sequence[Prediction], coverage: float) -> None:
    """Predictions with their intervals, and gradients where there are any."""
    for one in found:
        put(
            f"[bold]{ms(one.latency_ms)} ms[/bold]  "
            f"({coverage:.0%} interval {ms(one.low_ms)} to {ms(one.high_ms)} ms)"
        )
        if one.memory is not None:
            said = _VERDICTS[one.memory.verdict]
            put(f"  {said}: weights and activations take {one.memory.need_mib:.4g} MiB")
        if one.gradient is not None:
            grid = grid_of(None, "width", "us per channel", numbers=["us per channel"])
            steepest = sorted(one.gradient.items(), key=lambda item: -abs(item[1]))
            for name, slope in steepest[:MAX_LISTED_GRADIENTS]:
                grid.add_row(name, f"{1000 * slope:.3f}")
            put(grid)


def samples(found: Iterable[Sample]) -> None:
    """Measured latencies."""
    for one in found:
        within = (
            f", within-session 95% interval {ms(one.ci_low_ms)} to {ms(one.ci_high_ms)} ms"
            if one.ci_low_ms is not None
            else ""
        )
        runs = "" if one.count is None else f"{one.count} runs"
        put(f"[bold]{ms(one.latency_ms)} ms[/bold]  ({runs}{within})")
        if one.disturbed:
            put(f"  [yellow]disturbed, not to be trusted[/yellow]: {'; '.join(one.reasons)}")


def space_facts(found: Space) -> dict[str, Any]:
    """What a space is, as plain values."""
    return {
        "name": found.name,
        "hash": found.hash,
        "batch": found.batch,
        "input_shape": list(found.input_shape),
        "macs": found.macs(found.dense),
        "params": found.params(found.dense),
        "widths": [
            {"name": width.name, "max": width.max, "granule": width.granule}
            for width in found.widths
        ],
        "blocks": [block.name for block in found.blocks],
    }


def space(found: Space) -> None:
    """A space: its widths and blocks."""
    grid = grid_of(None, "width", "channels", "granule", numbers=["channels", "granule"])
    for width in found.widths:
        grid.add_row(width.name, str(width.max), str(width.granule))
    shape = "x".join(str(side) for side in (found.batch, *found.input_shape))
    put(
        f"[bold]{found.name}[/bold] {found.hash[:12]}, input {shape}: "
        f"{found.macs(found.dense) / 1e6:.0f} M MACs, {found.params(found.dense) / 1e6:.2f} M "
        f"parameters, {len(found.blocks)} blocks",
        grid,
    )


def report(found: Report) -> None:
    """A report: errors of the LPNet beside its baselines, on the same held-out workloads."""
    trained = found.trained_on
    floor = noise(found.noise_floor_pct, found.reasons.get("noise_floor_pct"))
    put(
        f"[bold]{found.target}[/bold]: trained on {trained.block} blocks and {trained.network} "
        f"networks; {floor}"
    )
    numbers = ["n", "MAPE", "RMSPE", "within 5%", "within 10%", "Spearman"]
    grid = grid_of(None, "held out", *numbers, numbers=numbers)
    held = found.held_out
    for name, metrics in (
        ("networks", held.network),
        ("  random", held.network_random),
        ("  aligned", held.network_aligned),
        ("  chosen by a pruner", held.network_pruned),
        ("blocks", held.block),
    ):
        grid.add_row(name, *_metrics(metrics))
    put(grid, "", _baselines(found), "", _interval(found))


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


def _baselines(found: Report) -> Table:
    grid = grid_of(None, "MAPE of", "networks", "blocks", numbers=["networks", "blocks"])

    def row(name: str, network: Metrics | None, block: Metrics | None) -> None:
        values = (percent(m.mape_pct, 2) if m else UNKNOWN for m in (network, block))
        grid.add_row(name, *values)

    row("LPNet", found.held_out.network, found.held_out.block)
    for name in type(found.baselines).model_fields:
        baseline: Baseline = getattr(found.baselines, name)
        row(name.replace("_", " "), baseline.network, baseline.block)
    return grid


def _interval(found: Report) -> str:
    interval = found.interval
    if interval.covered_pct is None:
        return ""
    return (
        f"{interval.asked_pct:.0f}% interval: holds {interval.covered_pct:.0f}% of held-out "
        f"networks, mean width {percent(interval.mean_width_pct)}"
    )


def line(text: str) -> None:
    """A line as it is."""
    Console().print(text, soft_wrap=True, markup=False, highlight=False)


def shrink(found: dict[str, Any], floor: str) -> None:
    """The demo's result: promised and measured; `floor` tells the noise floor."""
    dense_ms, budget_ms = found["dense_ms"], found["budget_ms"]
    numbers = ["MACs", "predicted ms", "measured ms", "off", "of dense"]
    grid = grid_of(None, "network", *numbers, numbers=numbers)
    for name, macs, predicted_ms, measured_ms in (
        ("dense", "dense", found["dense_predicted_ms"], dense_ms),
        ("shrunk with the gradient", "shrunk", found["predicted_ms"], found["measured_ms"]),
        ("uniform, same MACs", "uniform", found["uniform_predicted_ms"], found["uniform_ms"]),
    ):
        grid.add_row(
            name,
            f"{found['macs'][macs] / 1e6:.0f} M",
            ms(predicted_ms),
            ms(measured_ms),
            percent(100 * (predicted_ms / measured_ms - 1)),
            percent(100 * measured_ms / dense_ms, 0),
        )
    share = 100 * found["measured_ms"] / budget_ms
    put(
        "",
        grid,
        floor,
        "",
        f"budget {ms(budget_ms)} ms: the shrunk network takes {share:.1f}% of it{_before(found)}",
    )


def _before(found: dict[str, Any]) -> str:
    """What the tries before the last one took of the budget."""
    took = [one["measured_ms"] / found["budget_ms"] for one in found["tries"][:-1]]
    if not took:
        return ""
    return (
        f", with the budget corrected by what was measured (before: "
        f"{', '.join(f'{share:.1%}' for share in took)})"
    )


def sentinels(about: Target, found: SentinelHistory) -> None:
    """Readings of a target's sentinels, newest first."""
    levels = ", ".join(
        f"{name} {ms(value)} ms (limit {found.limit_pct[name]:.1f}%)"
        for name, value in found.level_ms.items()
    )
    numbers = ["ms", "drift"]
    put(f"{about.name}: {state(about)}; level in epoch {about.epoch}: {levels or 'none yet'}")
    grid = grid_of(
        None,
        "taken",
        "sentinel",
        *numbers,
        "epoch",
        "note",
        numbers=[*numbers, "epoch"],
    )
    for one in found.items:
        drift = "makes the level" if one.drift_pct is None else f"{one.drift_pct:+.1f}%"
        note = "disturbed: says nothing" if one.disturbed else ""
        taken = ago(one.measured_at)
        grid.add_row(taken, one.sentinel, ms(one.latency_ms), drift, str(one.epoch), note)
    put(grid if found.items else f"{about.name}: no reading of a sentinel yet")
    put(
        "A drift past the limit, either way, pauses the target until it has cooled and is back. "
        f"On this target: {noise(about.noise_floor_pct, about.noise_floor_reason)}."
    )
