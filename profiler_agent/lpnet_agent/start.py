"""Putting together what measures, from its settings: an agent, or a run without a server."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import structlog

from lpnet.alive import AliveFile
from lpnet.http import Http
from lpnet.schemas.device import Registration, TargetSpec
from lpnet_agent import console, local
from lpnet_agent.changes.changes import Changes
from lpnet_agent.condition import Reporter
from lpnet_agent.errors import BadSetup, Interrupted
from lpnet_agent.gate import Asked, Gate
from lpnet_agent.loop import Agent
from lpnet_agent.measure.job import Measurer
from lpnet_agent.network_file import Shapes, measure_network, network_file
from lpnet_agent.owner.limits import limits_of
from lpnet_agent.sentinels.health import Policy
from lpnet_agent.sentinels.store import Store
from lpnet_agent.sentinels.watch import Watch
from lpnet_agent.settings import Settings
from lpnet_agent.spaces import SpaceFiles
from lpnet_agent.spool import Parcel, Spool
from lpnet_agent.state import StateDir
from lpnet_agent.stop import Stop
from lpnet_agent.transports.base import Place
from lpnet_agent.transports.choose import place_of

log = structlog.get_logger()


def run_agent(settings: Settings, stop: Stop) -> None:
    """Be an agent until the end is asked for.

    Raises BadSetup if it cannot start or its measuring process cannot, NotAllowed or BadRequest
    if the server refuses it.
    """
    with (
        # The end may be asked for while it starts.
        contextlib.suppress(Interrupted),
        StateDir(settings.state_dir) as state,
        # Before anything is started or changed: it refuses limits that cannot be kept.
        place_of(settings, stop) as place,
        Http(settings.url, settings.token, timeout=settings.request_s, attempts=1) as http,
        place.changes(state.path) as changes,
        place.measurer(stop) as measurer,
        contextlib.ExitStack() as stack,
    ):
        spool = Spool(state.spool)
        alive = AliveFile(settings.alive_file)
        stack.callback(alive.remove)
        # The clock policy of the target is the one that it is measured with.
        changes.apply()
        target = place.target(measurer.ready)
        changes.undo()
        log.info("agent", device=place.name, cores=target.cores, undelivered=len(spool))
        Agent(
            http=http,
            registration=_registration(place, target, state),
            measurer=measurer,
            gate=_gate(settings, place.owner, state, target, measurer, spool, changes),
            reporter=Reporter(http, target.name, settings.condition_s, state.seat()),
            spool=spool,
            spaces=SpaceFiles(state.spaces, http),
            stop=stop,
            poll_s=settings.poll_s,
            takeover_s=settings.takeover_s,
            alive=alive,
        ).run()


def measure_file(
    settings: Settings, space_file: Path, out: Path, wish: local.Wish, stop: Stop
) -> dict[str, Any]:
    """Measure a space into a samples file, with no server; a summary of what came of it.

    Raises FileFormatError, WidthsError or BadSetup before `out` is touched: also while an agent
    uses the state folder, and where the owner does not allow it now.
    """
    start = time.monotonic()
    items = local.planned(local.read_space(space_file), wish)
    with (
        StateDir(settings.state_dir) as state,
        place_of(settings, stop) as place,
        place.changes(state.path) as changes,
    ):
        _allowed(settings, place.owner)
        with place.measurer(stop) as measurer, console.progress("measuring") as show:
            changes.apply()
            target = place.target(measurer.ready)
            outcome = local.measure_space(measurer, space_file, items, out, wish, stop, show)
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
        StateDir(settings.state_dir) as state,
        place_of(settings, stop) as place,
        place.changes(state.path) as changes,
    ):
        _allowed(settings, place.owner)
        with place.measurer(stop) as measurer, console.progress("measuring") as show:
            changes.apply()
            target = place.target(measurer.ready)
            found = measure_network(measurer, network, stop, show)
    return console.network_summary(file, network, target, found)


def _allowed(settings: Settings, owner: Asked) -> None:
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


def _gate(
    settings: Settings,
    owner: Asked,
    state: StateDir,
    target: TargetSpec,
    measurer: Measurer,
    spool: Spool,
    changes: Changes,
) -> Gate:
    watch = Watch(
        measurer,
        Store(state.path, target),
        policy_of(settings),
        settings.sentinel_s,
        lambda samples: spool.put(Parcel(target=target.name, samples=samples)),
    )
    return Gate(owner, watch, lambda: measurer.busy_s, changes)


def policy_of(settings: Settings) -> Policy:
    """The limits of drift among the settings."""
    return Policy(
        drift_pct=settings.drift_pct,
        broken_pct=settings.broken_pct,
        broken_after=settings.broken_after,
        cool_s=settings.cool_s,
        cool_most_s=settings.cool_most_s,
    )


def _registration(place: Place, target: TargetSpec, state: StateDir) -> Registration:
    return Registration(
        device=place.name,
        facts=place.facts,
        targets=(target,),
        budgets=place.budgets,
        agent_version=metadata.version("lpnet"),
        machine=state.machine(),
        seat=state.seat(),
    )
