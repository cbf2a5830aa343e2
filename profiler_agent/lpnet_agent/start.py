"""Putting together what measures, from its settings: an agent, or a run without a server."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import structlog

from lpnet.http import Http
from lpnet.schemas.device import Budgets, DeviceFacts, Registration, TargetSpec
from lpnet_agent import console, local
from lpnet_agent.changes.changes import Changes
from lpnet_agent.changes.wishes import wishes_of
from lpnet_agent.condition import Reporter
from lpnet_agent.device_info.facts import read_facts
from lpnet_agent.device_info.names import device_name
from lpnet_agent.device_info.target import target_spec
from lpnet_agent.errors import BadSetup, Interrupted
from lpnet_agent.gate import Gate
from lpnet_agent.loop import Agent
from lpnet_agent.measure import cores
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import Setup
from lpnet_agent.measure.workload import plans
from lpnet_agent.network_file import Shapes, measure_network, network_file
from lpnet_agent.owner.limits import limits_of
from lpnet_agent.owner.owner import Owner
from lpnet_agent.sentinels.health import Policy
from lpnet_agent.sentinels.store import Store
from lpnet_agent.sentinels.watch import Watch
from lpnet_agent.settings import Settings, pairs
from lpnet_agent.spaces import SpaceFiles
from lpnet_agent.spool import Parcel, Spool
from lpnet_agent.state import StateDir
from lpnet_agent.stop import Stop

log = structlog.get_logger()


def setup_of(settings: Settings) -> Setup:
    """What the measuring process is set up with. Raises BadSetup without enough cores."""
    return Setup(
        runtime=settings.runtime,
        provider=settings.provider,
        precision=settings.precision,
        options=pairs(settings.runtime_options),
        threads=settings.threads,
        cores=cores.choose(settings.threads),
        block_s=settings.block_s,
        network_s=settings.network_s,
        fps=settings.fps,
        visits=settings.visits,
        gap_s=settings.gap_s,
        crowded=settings.crowded,
    )


def run_agent(settings: Settings, stop: Stop) -> None:
    """Be an agent until the end is asked for.

    Raises BadSetup if it cannot start or its measuring process cannot, NotAllowed or BadRequest
    if the server refuses it.
    """
    facts = read_facts()
    device = device_name(facts, settings.device)
    setup = setup_of(settings)
    # Before anything is started or changed: it refuses limits that cannot be kept.
    owner = Owner(limits_of(settings), settings.state_dir, settings.root)
    with (
        StateDir(settings.state_dir) as state,
        Http(settings.url, settings.token, timeout=settings.request_s, attempts=1) as http,
        Changes(wishes_of(settings), setup.cores, state.path, settings.root) as changes,
    ):
        cores.leave(setup.cores)
        try:
            measurer = Measurer(setup, stop, settings.workload_timeout_s)
        except Interrupted:
            return
        with measurer:
            spool = Spool(state.spool)
            # The clock policy of the target is the one that it is measured with.
            changes.apply()
            target = target_spec(device, setup, measurer.ready, settings.root)
            changes.undo()
            log.info("agent", device=device, cores=setup.cores, undelivered=len(spool))
            Agent(
                http=http,
                registration=_registration(device, facts, target, setup, state),
                measurer=measurer,
                gate=_gate(settings, owner, state, target, measurer, spool, changes),
                reporter=Reporter(http, target.name, settings.condition_s, state.seat()),
                spool=spool,
                spaces=SpaceFiles(state.spaces, http),
                stop=stop,
                poll_s=settings.poll_s,
                takeover_s=settings.takeover_s,
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
    name = device_name(read_facts(), settings.device)
    setup = setup_of(settings)
    _allowed(settings)
    cores.leave(setup.cores)
    with (
        StateDir(settings.state_dir) as state,
        Changes(wishes_of(settings), setup.cores, state.path, settings.root) as changes,
        Measurer(setup, stop, settings.workload_timeout_s) as measurer,
        console.progress("measuring") as show,
    ):
        changes.apply()
        target = target_spec(name, setup, measurer.ready, settings.root)
        outcome = local.measure_space(measurer, space_file, items, out, wish, stop, show)
    seconds = {"timed": measurer.timed_s, "total": time.monotonic() - start}
    return console.summary(out, target, outcome, seconds, settings.drift_pct)


def measure_network_file(
    settings: Settings, file: Path, batch: int, shapes: Shapes, stop: Stop
) -> dict[str, Any]:
    """Measure an ONNX file as it is; what came of it. Nothing is kept or sent anywhere.

    Raises FileFormatError, BadSetup and MeasureFailed.
    """
    setup = setup_of(settings)
    _allowed(settings)
    with network_file(file, batch, shapes) as network:
        name = device_name(read_facts(), settings.device)
        cores.leave(setup.cores)
        with (
            StateDir(settings.state_dir) as state,
            Changes(wishes_of(settings), setup.cores, state.path, settings.root) as changes,
            Measurer(setup, stop, settings.workload_timeout_s) as measurer,
            console.progress("measuring") as show,
        ):
            changes.apply()
            target = target_spec(name, setup, measurer.ready, settings.root)
            found = measure_network(measurer, network, stop, show)
    return console.network_summary(file, network, target, found)


def _allowed(settings: Settings) -> None:
    """Raises BadSetup where the owner does not allow measuring now, or sets a limit that a run
    without rests cannot keep."""
    limits = limits_of(settings)
    if limits.max_share is not None and limits.max_share < 1:
        raise BadSetup(
            f"max_share={limits.max_share:g}: this command measures without rests, so the limit "
            "cannot be kept; let an agent measure, or drop LPNET_AGENT_MAX_SHARE"
        )
    refusal = Owner(limits, settings.state_dir, settings.root).refusal(datetime.now(UTC))
    if refusal is not None:
        raise BadSetup(f"nothing may be measured now: {refusal.reason}")


def _gate(
    settings: Settings,
    owner: Owner,
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


def _registration(
    device: str, facts: DeviceFacts, target: TargetSpec, setup: Setup, state: StateDir
) -> Registration:
    longest = {kind: setup.visits * plan.most_s for kind, plan in plans(setup).items()}
    return Registration(
        device=device,
        facts=facts,
        targets=(target,),
        budgets=Budgets(block_s=longest["block"], network_s=longest["network"]),
        agent_version=metadata.version("lpnet"),
        machine=state.machine(),
        seat=state.seat(),
    )
