"""Results of the service, printed for people on a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from lpnet.cli.layout import (
    UNKNOWN,
    ago,
    ms,
    new_grid,
    noise,
    percent,
    print_all,
    print_line,
)
from lpnet.schemas.campaign import Campaign
from lpnet.schemas.condition import SentinelHistory
from lpnet.schemas.device import Device, Target
from lpnet.schemas.lpnet import Prediction
from lpnet.schemas.memory import MemoryLimits
from lpnet.schemas.noise import TargetNoise
from lpnet.schemas.report import NOISE_UNKNOWN
from lpnet.schemas.sample import Sample
from lpnet.schemas.table import TableRow
from lpnet.schemas.workload import OpsWorkload, SpaceWorkload

MAX_LISTED_GRADIENTS = 60
_VERDICTS = {
    "fits": "fits in the target's memory",
    "unknown": "not known to fit in the target's memory",
    "does not fit": "[red]does not fit in the target's memory[/red]",
}


def print_devices(devices: Sequence[Device]) -> None:
    grid = new_grid(
        None, "device", "cpu", "cores", "memory", "targets", "last contact", numbers=["cores"]
    )
    for device in devices:
        facts = device.facts
        memory = UNKNOWN if facts.memory_mib is None else f"{facts.memory_mib / 1024:.0f} GiB"
        cores = UNKNOWN if facts.cores is None else str(facts.cores)
        contact = "imported" if device.source == "imported" else ago(device.last_seen_at)
        names = ", ".join(device.targets)
        grid.add_row(device.name, facts.cpu or UNKNOWN, cores, memory, names, contact)
    print_all(grid if devices else "no device yet: run `lpnet-agent run` on one")


def print_targets(targets: Sequence[Target], floors: Mapping[str, TargetNoise]) -> None:
    numbers = ["samples", "noise", "error"]
    grid = new_grid(None, "target", "state", *numbers, numbers=numbers)
    for target in targets:
        floor, error = target.noise_floor_pct, target.network_mape_pct
        error_text = "unknown" if error is None else percent(error)
        grid.add_row(
            target.name,
            target.state,
            str(target.samples),
            _floor(floor, floors.get(target.name)),
            "no LPNet" if target.lpnet is None else error_text,
        )
    print_all(grid if targets else "no target yet: run `lpnet-agent run`, or `lpnet import`")
    for target in targets:
        print_line(f"{target.name}: {state(target)}")
        if target.drift is not None:
            print_line(f"{target.name}: drifted: {target.drift}")
    for target in targets:
        if target.memory is not None:
            print_line(f"{target.name}: {memory(target.memory)}")
    if targets:
        print_all(
            "noise: the noise floor and its 95% interval; error: of the LPNet on held-out networks"
        )
    without_floor = [target for target in targets if target.noise_floor_pct is None]
    for reason in sorted({target.noise_floor_reason or NOISE_UNKNOWN for target in without_floor}):
        print_all(f"noise floor unknown: {reason}; smaller errors cannot be told apart from noise")


def memory(limits: MemoryLimits) -> str:
    fits = limits.fits_mib
    measured = "" if fits is None else f", up to {fits:.4g} MiB were measured"
    return f"networks of {limits.fails_mib:.4g} MiB and more do not fit in its memory{measured}"


def state(target: Target) -> str:
    text = target.state + (f": {target.state_reason}" if target.state_reason else "")
    # An imported target never changes, and the reason for `offline` says how long it has lasted.
    timed = target.state_since is not None and target.state not in ("imported", "offline")
    return f"{text}, since {ago(target.state_since)}" if timed else text


def _floor(pct: float | None, floor: TargetNoise | None) -> str:
    if floor is None or pct is None or floor.low_pct is None or floor.high_pct is None:
        return "unknown" if pct is None else percent(pct, 2)
    return f"{percent(pct, 2)} ({floor.low_pct:.2f}-{floor.high_pct:.2f})"


def print_table(
    target: Target, rows: Sequence[TableRow], target_noise: TargetNoise | None = None
) -> None:
    floor = noise(target.noise_floor_pct, target.noise_floor_reason, target_noise)
    numbers = ["measured ms", "spread", "predicted ms", "error"]
    grid = new_grid(
        f"{target.name}: {target.samples} samples, {floor}",
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
    print_all(grid if rows else f"{target.name} has no such sample; {floor}")


def _note(row: TableRow) -> str:
    if row.disturbed:
        return f"disturbed: {'; '.join(row.reasons) or 'no reason recorded'}"
    return "held out" if row.held_out else ""


def workload(value: OpsWorkload | SpaceWorkload, max_length: int = 60) -> str:
    if isinstance(value, OpsWorkload):
        text = " + ".join(f"{op.type} {op.c_in}>{op.c_out}" for op in value.ops)
    else:
        kept = " ".join(str(channels) for channels in value.widths.values())
        text = f"{value.block or value.space[:8]} {kept}"
    return text if len(text) <= max_length else text[: max_length - 3] + "..."


def print_campaign(campaign: Campaign) -> None:
    print_all(
        f"campaign {campaign.id} {campaign.state}: "
        f"{campaign.good} of {campaign.total} good, {campaign.disturbed} disturbed"
    )
    if campaign.disturbed:
        print_all("  disturbed samples are not used for training")
    for failure in campaign.failures:
        print_all(f"  {failure}")


def print_predictions(predictions: Sequence[Prediction], coverage: float) -> None:
    for prediction in predictions:
        print_all(
            f"[bold]{ms(prediction.latency_ms)} ms[/bold]  "
            f"({coverage:.0%} interval {ms(prediction.low_ms)} to {ms(prediction.high_ms)} ms)"
        )
        if prediction.memory is not None:
            verdict = _VERDICTS[prediction.memory.verdict]
            need_mib = prediction.memory.need_mib
            print_all(f"  {verdict}: weights and activations take {need_mib:.4g} MiB")
        if prediction.gradient is not None:
            grid = new_grid(None, "width", "us per channel", numbers=["us per channel"])
            steepest = sorted(prediction.gradient.items(), key=lambda item: -abs(item[1]))
            for name, slope in steepest[:MAX_LISTED_GRADIENTS]:
                grid.add_row(name, f"{1000 * slope:.3f}")
            print_all(grid)


def print_samples(samples: Iterable[Sample]) -> None:
    for sample in samples:
        interval = (
            f", within-session 95% interval {ms(sample.ci_low_ms)} to {ms(sample.ci_high_ms)} ms"
            if sample.ci_low_ms is not None
            else ""
        )
        runs = "" if sample.count is None else f"{sample.count} runs"
        print_all(f"[bold]{ms(sample.latency_ms)} ms[/bold]  ({runs}{interval})")
        if sample.disturbed:
            reasons = "; ".join(sample.reasons)
            print_all(f"  [yellow]disturbed, not reliable[/yellow]: {reasons}")


def print_sentinels(
    target: Target, history: SentinelHistory, floor: TargetNoise | None = None
) -> None:
    levels = ", ".join(
        f"{name} {ms(value)} ms (limit {history.limit_pct[name]:.1f}%)"
        for name, value in history.level_ms.items()
    )
    print_all(
        f"{target.name}: {state(target)}; level in epoch {target.epoch}: {levels or 'none yet'}"
    )
    grid = new_grid(
        None,
        "measured",
        "sentinel",
        "ms",
        "drift",
        "epoch",
        "note",
        numbers=["ms", "drift", "epoch"],
    )
    for reading in history.items:
        drift = reading.drift_pct
        grid.add_row(
            ago(reading.measured_at),
            reading.sentinel,
            ms(reading.latency_ms),
            "sets the level" if drift is None else f"{drift:+.1f}%",
            str(reading.epoch),
            "disturbed: not used" if reading.disturbed else "",
        )
    print_all(grid if history.items else f"{target.name}: no sentinel was measured yet")
    print_all(
        "A drift beyond the limit, up or down, pauses the target until it is back within it. "
        f"On this target: {noise(target.noise_floor_pct, target.noise_floor_reason, floor)}."
    )
