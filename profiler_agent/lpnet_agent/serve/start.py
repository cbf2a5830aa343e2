"""Start an agent from its settings."""

from __future__ import annotations

import contextlib
from importlib import metadata

import structlog

from lpnet.alive import AliveFile
from lpnet.http import Http
from lpnet.schemas.device import Registration, TargetSpec
from lpnet.stop import Stop
from lpnet_agent.devices.base import Device
from lpnet_agent.devices.select import open_device
from lpnet_agent.errors import Interrupted
from lpnet_agent.measure.job import Measurer
from lpnet_agent.owner.policy import OwnerPolicy
from lpnet_agent.sentinels.health import Policy
from lpnet_agent.sentinels.monitor import SentinelMonitor
from lpnet_agent.sentinels.store import SentinelStore
from lpnet_agent.serve.condition_report import ConditionReporter
from lpnet_agent.serve.loop import Agent
from lpnet_agent.serve.readiness import ReadinessCheck
from lpnet_agent.serve.space_files import SpaceFiles
from lpnet_agent.serve.spool import Spool, SpooledResult
from lpnet_agent.settings import Settings
from lpnet_agent.state import StateDir

log = structlog.get_logger()


def run_agent(settings: Settings, stop: Stop) -> None:
    """Run an agent until it is stopped.

    Raises SetupError if the agent or its measuring process cannot start, NotAllowed or BadRequest
    if the server rejects the agent.
    """
    with (
        # It may be stopped while it starts.
        contextlib.suppress(Interrupted),
        StateDir(settings.state_dir) as state,
        # Before anything is started: rejects limits that this device cannot keep.
        open_device(settings, stop) as device,
        Http(settings.url, settings.token, timeout=settings.request_s, attempts=1) as http,
        device.measurer(stop) as measurer,
        contextlib.ExitStack() as stack,
    ):
        spool = Spool(state.spool)
        alive = AliveFile(settings.alive_file)
        stack.callback(alive.remove)
        target = device.target(measurer.session_info)
        log.info("agent", device=device.name, cores=target.cores, undelivered=len(spool))
        Agent(
            http=http,
            registration=_registration(device, target, state),
            measurer=measurer,
            readiness=_readiness_check(settings, device.owner, state, target, measurer, spool),
            reporter=ConditionReporter(http, target.name, settings.condition_s, state.seat()),
            spool=spool,
            spaces=SpaceFiles(state.spaces, http),
            stop=stop,
            poll_s=settings.poll_s,
            takeover_s=settings.takeover_s,
            alive=alive,
        ).run()


def _readiness_check(
    settings: Settings,
    owner: OwnerPolicy,
    state: StateDir,
    target: TargetSpec,
    measurer: Measurer,
    spool: Spool,
) -> ReadinessCheck:
    monitor = SentinelMonitor(
        measurer,
        SentinelStore(state.path, target),
        drift_policy(settings),
        settings.sentinel_s,
        lambda samples: spool.put(SpooledResult(target=target.name, samples=samples)),
    )
    return ReadinessCheck(owner, monitor, lambda: measurer.busy_s)


def drift_policy(settings: Settings) -> Policy:
    return Policy(
        drift_pct=settings.drift_pct,
        broken_pct=settings.broken_pct,
        broken_after=settings.broken_after,
        cool_s=settings.cool_s,
        max_cool_s=settings.cool_most_s,
    )


def _registration(device: Device, target: TargetSpec, state: StateDir) -> Registration:
    return Registration(
        device=device.name,
        facts=device.facts,
        targets=(target,),
        budgets=device.budgets,
        agent_version=metadata.version("lpnet"),
        machine=state.machine_id(),
        seat=state.seat(),
    )
