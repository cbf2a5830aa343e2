"""Putting together a measurement without a server, from its settings; nothing here speaks HTTP."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lpnet_agent.devices.select import open_device
from lpnet_agent.errors import BadSetup
from lpnet_agent.offline import console, measure_space
from lpnet_agent.offline.measure_network import Shapes, measure_network, network_file
from lpnet_agent.owner.base import OwnerPolicy
from lpnet_agent.owner.limits import limits_of
from lpnet_agent.settings import Settings
from lpnet_agent.state import StateDir
from lpnet_agent.stop import Stop


def measure_file(
    settings: Settings, space_file: Path, out: Path, wish: measure_space.Wish, stop: Stop
) -> dict[str, Any]:
    """Measure a space into a samples file, with no server; a summary of what came of it.

    Raises FileFormatError, WidthsError or BadSetup before `out` is touched: also while an agent
    uses the state folder, and where the owner does not allow it now.
    """
    start = time.monotonic()
    items = measure_space.planned(measure_space.read_space(space_file), wish)
    with StateDir(settings.state_dir), open_device(settings, stop) as place:
        _allowed(settings, place.owner)
        with place.measurer(stop) as measurer, console.progress("measuring") as show:
            target = place.target(measurer.ready)
            outcome = measure_space.measure_space(
                measurer, space_file, items, out, wish, stop, show
            )
        if outcome.samples + len(outcome.failures) < len(items) and not stop.is_set():
            refusal = place.owner.refusal(datetime.now(UTC), begun=True)
            outcome.failures.append(refusal.reason if refusal else "the device was away")
    seconds = {"timed": measurer.timed_s, "total": time.monotonic() - start}
    return console.summary(out, target, outcome, seconds, settings.drift_pct)


def measure_network_file(
    settings: Settings, file: Path, batch: int | None, shapes: Shapes, stop: Stop
) -> dict[str, Any]:
    """Measure an ONNX file as it is; what came of it. Nothing is kept or sent anywhere.

    Raises FileFormatError, BadSetup and MeasureFailed.
    """
    with (
        network_file(file, batch, shapes) as network,
        StateDir(settings.state_dir),
        open_device(settings, stop) as place,
    ):
        _allowed(settings, place.owner)
        with place.measurer(stop) as measurer, console.progress("measuring") as show:
            target = place.target(measurer.ready)
            found = measure_network(measurer, network, stop, show)
    return console.network_summary(file, network, target, found)


def _allowed(settings: Settings, owner: OwnerPolicy) -> None:
    """Raises BadSetup where the owner does not allow measuring now, or sets a limit that a run
    without rests cannot keep."""
    limits = limits_of(settings)
    if limits.max_share is not None and limits.max_share < 1:
        raise BadSetup(
            f"max_share={limits.max_share:g}: this command measures without rests, so the limit "
            "cannot be kept; let an agent measure, or drop LPNET_AGENT_MAX_SHARE"
        )
    refusal = owner.refusal(datetime.now(UTC))
    if refusal is not None:
        raise BadSetup(f"nothing may be measured now: {refusal.reason}")
