"""What `lpnet-agent measure` prints at its end, as data and as text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lpnet.schemas.device import TargetSpec
from lpnet.subnormals import format_share, significant
from lpnet_agent.offline.measure_network import NetworkResult
from lpnet_agent.offline.measure_space import SpaceResult
from lpnet_agent.offline.network_file import NetworkFile


def summarise_space(
    out: Path,
    target: TargetSpec,
    result: SpaceResult,
    seconds: dict[str, float],
    drift_limit_pct: float,
) -> dict[str, Any]:
    """`drifted` is null if a sentinel has no undisturbed reading before or after."""
    drifts = list(result.drift_pct.values())
    floor = result.noise_floor
    above_limit = any(drift is not None and abs(drift) > drift_limit_pct for drift in drifts)
    return {
        "out": str(out),
        "target": target.model_dump(mode="json"),
        "samples": result.samples,
        "networks": result.networks,
        "repeated": result.repeated,
        "disturbed": result.disturbed,
        "noise_floor_pct": floor.pct,
        "noise_floor_low_pct": floor.low_pct,
        "noise_floor_high_pct": floor.high_pct,
        "noise_floor_reason": floor.reason,
        "drift_pct": {
            name: drift if drift is None else round(drift, 2)
            for name, drift in result.drift_pct.items()
        },
        "drifted": True if above_limit else (None if None in drifts else False),
        "quality": None if result.quality is None else result.quality.model_dump(mode="json"),
        "too_disturbed": result.too_disturbed,
        "failures": result.failures,
        "seconds": {name: round(value, 2) for name, value in seconds.items()},
    }


def format_space(summary: dict[str, Any]) -> str:
    seconds = summary["seconds"]
    lines = [
        f"{summary['samples']} samples in {summary['out']} ({summary['networks']} of whole "
        f"networks, {summary['repeated']} repeated, {summary['disturbed']} disturbed)",
        f"measured as {summary['target']['name']} in {seconds['total']:.0f} s, "
        f"{seconds['timed']:.0f} s of it timing",
    ]
    if summary["noise_floor_pct"] is not None:
        lines.append(
            f"noise floor, the median difference between sessions: "
            f"{summary['noise_floor_pct']:.2f}% (95% interval "
            f"{summary['noise_floor_low_pct']:.2f} to {summary['noise_floor_high_pct']:.2f}%)"
        )
    elif summary["repeated"]:
        lines.append(f"noise floor unknown: {summary['noise_floor_reason']}")
    lines.append(_format_drift(summary))
    if summary["too_disturbed"]:
        lines.append(
            "stopped, since most samples are disturbed; --keep-going measures on regardless"
        )
    if summary["failures"]:
        lines.append(f"{len(summary['failures'])} failed, the first: {summary['failures'][0]}")
    return "\n".join(lines)


def summarise_network(
    file: Path, network: NetworkFile, target: TargetSpec, result: NetworkResult
) -> dict[str, Any]:
    """`subnormal_pct` is of the network as it was measured; `subnormals`, null without any, is of
    the file. `precision` is that of the file, whatever the target's name says."""
    return {
        "onnx": str(file),
        "sha256": network.sha256,
        "inputs": {name: list(shape) for name, shape in network.inputs.items()},
        "precision": network.precision,
        "subnormal_pct": 0.0 if network.zeroed else significant(network.subnormals.pct),
        "subnormals": _subnormal_facts(network, result),
        "target": target.model_dump(mode="json"),
        **result.measurement.model_dump(mode="json", exclude_none=True),
    }


def _subnormal_facts(network: NetworkFile, result: NetworkResult) -> dict[str, Any] | None:
    if not network.subnormals.tensors:
        return None
    zeroed = result.measurement if network.zeroed else result.zeroed
    return {
        **network.subnormals.facts(),
        "zeroed": network.zeroed,
        "zeroed_latency_ms": None if zeroed is None else zeroed.latency_ms,
        "slowdown": None if result.slowdown is None else significant(result.slowdown),
    }


def subnormal_advice(summary: dict[str, Any]) -> str | None:
    """What to tell a user about the subnormal weights; None if there are none to tell of."""
    facts = summary["subnormals"]
    if facts is None or not facts["count"]:
        return None
    share = format_share(facts)
    if facts["zeroed"]:
        return f"measured with its subnormal weights at zero: {share}"
    slowdown, effect = facts["slowdown"], "with which many CPUs compute many times slower"
    if slowdown is not None:
        effect = (
            f"and make it take {slowdown:.3g} times as long as with them at zero "
            f"({facts['zeroed_latency_ms']:.4g} ms)"
        )
    return (
        f"{share}, {effect}. Set them to zero before you export the network, "
        "with `p.data[p.data.abs() < 1.2e-38] = 0` for each parameter p, or write the network "
        "with them at zero with --write-zeroed FILE. To measure it so, add --zero-subnormals"
    )


def format_network(summary: dict[str, Any]) -> str:
    inputs = ", ".join(
        f"{name} {'x'.join(map(str, shape)) or 'scalar'}"
        for name, shape in summary["inputs"].items()
    )
    # Phones report no interval.
    low, high = summary.get("ci_low_ms"), summary.get("ci_high_ms")
    interval = ""
    if low is not None and high is not None:
        interval = f", 95% interval within this session {low:.4g} to {high:.4g} ms"
    lines = [
        f"{summary['latency_ms']:.4g} ms: {summary['onnx']} ({inputs})",
        f"measured as {summary['target']['name']}: median of {summary['count']} runs{interval}",
    ]
    precision, of_target = summary["precision"], summary["target"]["precision"]
    if precision not in (None, of_target):
        lines.append(
            f"the file is a network in {precision}, and runs as that; {of_target} in the name of "
            "the target is the precision of networks that lpnet builds"
        )
    if summary["disturbed"]:
        lines.append(f"disturbed, so not reliable: {'; '.join(summary['reasons'])}")
    return "\n".join(lines)


def _format_drift(summary: dict[str, Any]) -> str:
    drifts = ", ".join(
        f"{name} {'unknown' if drift is None else f'{drift:+.1f}%'}"
        for name, drift in summary["drift_pct"].items()
    )
    verdict = {
        True: "the machine drifted: measure again when it has settled",
        False: "the machine did not drift",
        None: "unknown whether the machine drifted: a sentinel was disturbed before or after",
    }[summary["drifted"]]
    return f"change of the sentinels from before to after: {drifts}; {verdict}"
