"""Putting together an agent, from its settings."""

from __future__ import annotations

import contextlib
from importlib import metadata

import structlog

from lpnet.alive import AliveFile
from lpnet.http import Http
from lpnet.schemas.device import Registration, TargetSpec
from lpnet_agent.devices.base import Device
from lpnet_agent.devices.select import open_device
from lpnet_agent.errors import Interrupted
from lpnet_agent.measure.job import Measurer
from lpnet_agent.owner.policy import OwnerPolicy
from lpnet_agent.sentinels.health import Policy
from lpnet_agent.sentinels.monitor import SentinelMonitor
from lpnet_agent.sentinels.store import SentinelStore
from lpnet_agent.serve.condition_report import Reporter
from lpnet_agent.serve.loop import Agent
from lpnet_agent.serve.readiness import Gate
from lpnet_agent.serve.space_files import SpaceFiles
from lpnet_agent.serve.spool import Parcel, Spool
from lpnet_agent.settings import Settings
from lpnet_agent.state import StateDir
from lpnet_agent.stop import Stop

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
        # Before anything is started: it refuses limits that cannot be kept.
        open_device(settings, stop) as place,
        Http(settings.url, settings.token, timeout=settings.request_s, attempts=1) as http,
        place.measurer(stop) as measurer,
        contextlib.ExitStack() as stack,
    ):
        spool = Spool(state.spool)
        alive = AliveFile(settings.alive_file)
        stack.callback(alive.remove)
        target = place.target(measurer.session_info)
        log.info("agent", device=place.name, cores=target.cores, undelivered=len(spool))
        Agent(
            http=http,
            registration=_registration(place, target, state),
            measurer=measurer,
            gate=_gate(settings, place.owner, state, target, measurer, spool),
            reporter=Reporter(http, target.name, settings.condition_s, state.seat()),
            spool=spool,
            spaces=SpaceFiles(state.spaces, http),
            stop=stop,
            poll_s=settings.poll_s,
            takeover_s=settings.takeover_s,
            alive=alive,
        ).run()


def _gate(
    settings: Settings,
    owner: OwnerPolicy,
    state: StateDir,
    target: TargetSpec,
    measurer: Measurer,
    spool: Spool,
) -> Gate:
    watch = SentinelMonitor(
        measurer,
        SentinelStore(state.path, target),
        policy_of(settings),
        settings.sentinel_s,
        lambda samples: spool.put(Parcel(target=target.name, samples=samples)),
    )
    return Gate(owner, watch, lambda: measurer.busy_s)


def policy_of(settings: Settings) -> Policy:
    """The limits of drift among the settings."""
    return Policy(
        drift_pct=settings.drift_pct,
        broken_pct=settings.broken_pct,
        broken_after=settings.broken_after,
        cool_s=settings.cool_s,
        max_cool_s=settings.cool_most_s,
    )


def _registration(place: Device, target: TargetSpec, state: StateDir) -> Registration:
    return Registration(
        device=place.name,
        facts=place.facts,
        targets=(target,),
        budgets=place.budgets,
        agent_version=metadata.version("lpnet"),
        machine=state.machine(),
        seat=state.seat(),
    )
