"""What `lpnet-agent measure` shows: progress while it works, a summary when it is done."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from lpnet.schemas.device import TargetSpec
from lpnet.schemas.sample import Measurement
from lpnet_agent.offline.measure_network import NetworkFile
from lpnet_agent.offline.measure_space import Outcome
from lpnet_agent.offline.measure_space import Progress as Show


@contextmanager
def progress(what: str) -> Iterator[Show]:
    """A bar on standard error if that is a terminal; silence in a pipe."""
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, disable=not console.is_terminal
    ) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def summary(
    out: Path,
    target: TargetSpec,
    outcome: Outcome,
    seconds: dict[str, float],
    drift_limit_pct: float,
) -> dict[str, Any]:
    """What was measured, on what, and how far it can be trusted.

    `drifted` is null where a sentinel has no undisturbed reading at both ends.
    """
    drifts = list(outcome.drift_pct.values())
    past = any(drift is not None and abs(drift) > drift_limit_pct for drift in drifts)
    return {
        "out": str(out),
        "target": target.model_dump(mode="json"),
        "samples": outcome.samples,
        "networks": outcome.networks,
        "repeated": outcome.repeated,
        "disturbed": outcome.disturbed,
        "noise_floor_pct": outcome.noise_floor_pct,
        "drift_pct": {
            name: drift if drift is None else round(drift, 2)
            for name, drift in outcome.drift_pct.items()
        },
        "drifted": True if past else (None if None in drifts else False),
        "failures": outcome.failures,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }


def in_words(summary: dict[str, Any]) -> str:
    """The same for a reader."""
    seconds = summary["seconds"]
    lines = [
        f"{summary['samples']} samples in {summary['out']} ({summary['networks']} of whole "
        f"networks, {summary['repeated']} repeated, {summary['disturbed']} disturbed)",
        f"measured as {summary['target']['name']} in {seconds['total']:.0f} s, "
        f"{seconds['timed']:.0f} s of it timing",
    ]
    if summary["noise_floor_pct"] is not None:
        lines.append(f"spread between sessions: {summary['noise_floor_pct']:.2f}%")
    lines.append(_drift_in_words(summary))
    if summary["failures"]:
        lines.append(f"{len(summary['failures'])} failed, the first: {summary['failures'][0]}")
    return "\n".join(lines)


def network_summary(
    file: Path, network: NetworkFile, target: TargetSpec, found: Measurement
) -> dict[str, Any]:
    """What an ONNX file's latency is, on what, and how far it can be trusted."""
    return {
        "onnx": str(file),
        "sha256": network.sha256,
        "inputs": {name: list(shape) for name, shape in network.inputs.items()},
        "target": target.model_dump(mode="json"),
        **found.model_dump(mode="json", exclude_none=True),
    }


def network_in_words(summary: dict[str, Any]) -> str:
    """The same for a reader."""
    inputs = ", ".join(
        f"{name} {'x'.join(map(str, shape))}" for name, shape in summary["inputs"].items()
    )
    # What runs a network on a phone tells no interval.
    low, high = summary.get("ci_low_ms"), summary.get("ci_high_ms")
    known = low is not None and high is not None
    interval = f", within this session {low:.4g} to {high:.4g} ms" if known else ""
    lines = [
        f"{summary['latency_ms']:.4g} ms: {summary['onnx']} ({inputs})",
        f"measured as {summary['target']['name']}: median of {summary['count']} runs{interval}",
    ]
    if summary["disturbed"]:
        lines.append(f"disturbed, so not to be trusted: {'; '.join(summary['reasons'])}")
    return "\n".join(lines)


def _drift_in_words(summary: dict[str, Any]) -> str:
    moved = ", ".join(
        f"{name} {'unknown' if drift is None else f'{drift:+.1f}%'}"
        for name, drift in summary["drift_pct"].items()
    )
    verdict = {
        True: "the machine drifted: measure again when it has settled",
        False: "the machine did not drift",
        None: "no undisturbed reading at both ends, so whether the machine drifted is unknown",
    }[summary["drifted"]]
    return f"sentinels from before to after: {moved}; {verdict}"
