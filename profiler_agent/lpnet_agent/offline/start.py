"""Measure without a server, as the settings say."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lpnet.progress import terminal_progress
from lpnet.quality.text import print_quality
from lpnet.stop import Stop
from lpnet_agent.devices.select import open_device
from lpnet_agent.errors import SetupError
from lpnet_agent.offline import summaries
from lpnet_agent.offline.measure_network import measure_network
from lpnet_agent.offline.measure_space import MeasurePlan, measure_space, plan_items, read_space
from lpnet_agent.offline.network_file import NetworkOptions, network_file
from lpnet_agent.owner.limits import limits_of
from lpnet_agent.owner.policy import OwnerPolicy
from lpnet_agent.settings import Settings
from lpnet_agent.state import StateDir


def measure_space_file(
    settings: Settings, space_file: Path, out: Path, plan: MeasurePlan, stop: Stop
) -> dict[str, Any]:
    """Measure a space into a samples file; returns a summary.

    Raises FileFormatError, WidthsError or SetupError before `out` is written, also while an agent
    uses the state folder or the owner's limits forbid measuring.
    """
    start = time.monotonic()
    items = plan_items(read_space(space_file), plan)
    with StateDir(settings.state_dir), open_device(settings, stop) as device:
        _check_limits(settings, device.owner)
        with device.measurer(stop) as measurer, terminal_progress() as progress:
            target = device.target(measurer.session_info)
            result = measure_space(
                measurer,
                space_file,
                items,
                out,
                plan,
                stop,
                progress,
                threads=target.threads,
                on_quality=print_quality,
            )
        is_short = result.samples + len(result.failures) < len(items)
        if is_short and not stop.is_set() and not result.too_disturbed:
            refusal = device.owner.refusal(datetime.now(UTC), in_job=True)
            result.failures.append(refusal.reason if refusal else "the device was unavailable")
    seconds = {"timed": measurer.timed_s, "total": time.monotonic() - start}
    return summaries.summarise_space(out, target, result, seconds, settings.drift_pct)


def measure_network_file(
    settings: Settings, file: Path, options: NetworkOptions, stop: Stop
) -> dict[str, Any]:
    """Measure an ONNX file; returns a summary. Nothing is kept or sent anywhere.

    Raises FileFormatError, SetupError and MeasureFailed.
    """
    with (
        network_file(file, options) as network,
        StateDir(settings.state_dir),
        open_device(settings, stop) as device,
    ):
        _check_limits(settings, device.owner)
        with device.measurer(stop) as measurer, terminal_progress() as progress:
            target = device.target(measurer.session_info)
            result = measure_network(measurer, network, stop, progress)
    return summaries.summarise_network(file, network, target, result)


def _check_limits(settings: Settings, owner: OwnerPolicy) -> None:
    """Raises SetupError if the owner's limits forbid measuring now, or need pauses."""
    limits = limits_of(settings)
    if limits.max_share is not None and limits.max_share < 1:
        raise SetupError(
            f"max_share={limits.max_share:g}: this command measures without pauses, so it cannot "
            "keep this limit; let an agent measure, or unset LPNET_AGENT_MAX_SHARE"
        )
    refusal = owner.refusal(datetime.now(UTC))
    if refusal is not None:
        raise SetupError(f"nothing may be measured now: {refusal.reason}")
