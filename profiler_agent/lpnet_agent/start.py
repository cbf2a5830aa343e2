"""Putting together what measures, from its settings: an agent, or a run without a server."""

from __future__ import annotations

import time
from importlib import metadata
from pathlib import Path
from typing import Any

import structlog

from lpnet.http import Http
from lpnet.schemas.device import DeviceFacts, Registration
from lpnet_agent import console, local
from lpnet_agent.device_info.facts import read_facts
from lpnet_agent.device_info.names import device_name
from lpnet_agent.device_info.target import target_spec
from lpnet_agent.errors import Interrupted
from lpnet_agent.loop import Agent
from lpnet_agent.measure import cores
from lpnet_agent.measure.job import Measurer
from lpnet_agent.measure.messages import Setup
from lpnet_agent.settings import Settings
from lpnet_agent.spaces import SpaceFiles
from lpnet_agent.spool import Spool
from lpnet_agent.state import StateDir
from lpnet_agent.stop import Stop

log = structlog.get_logger()


def setup_of(settings: Settings) -> Setup:
    """What the measuring process is set up with. Raises BadSetup without enough cores."""
    return Setup(
        runtime=settings.runtime,
        threads=settings.threads,
        cores=cores.choose(settings.threads),
        block_s=settings.block_s,
        network_s=settings.network_s,
    )


def run_agent(settings: Settings, stop: Stop) -> None:
    """Be an agent until the end is asked for.

    Raises BadSetup if it cannot start or its measuring process cannot, NotAllowed or BadRequest
    if the server refuses it.
    """
    facts = read_facts()
    device = device_name(facts, settings.device)
    setup = setup_of(settings)
    with (
        StateDir(settings.state_dir) as state,
        Http(settings.url, settings.token, timeout=settings.request_s, attempts=1) as http,
    ):
        cores.leave(setup.cores)
        try:
            measurer = Measurer(setup, stop, settings.workload_timeout_s)
        except Interrupted:
            return
        with measurer:
            spool = Spool(state.spool)
            log.info("agent", device=device, cores=setup.cores, undelivered=len(spool))
            Agent(
                http=http,
                registration=_registration(device, facts, setup, measurer, state.machine()),
                measurer=measurer,
                spool=spool,
                spaces=SpaceFiles(state.spaces, http),
                stop=stop,
                poll_s=settings.poll_s,
            ).run()


def measure_file(
    settings: Settings, space_file: Path, out: Path, wish: local.Wish, stop: Stop
) -> dict[str, Any]:
    """Measure a space into a samples file, with no server; a summary of what came of it.

    Raises FileFormatError, WidthsError or BadSetup before `out` is touched.
    """
    start = time.monotonic()
    items = local.planned(local.read_space(space_file), wish)
    name = device_name(read_facts(), settings.device)
    setup = setup_of(settings)
    cores.leave(setup.cores)
    with (
        Measurer(setup, stop, settings.workload_timeout_s) as measurer,
        console.progress("measuring") as show,
    ):
        outcome = local.measure_space(measurer, space_file, items, out, wish, stop, show)
    seconds = {"timed": measurer.timed_s, "total": time.monotonic() - start}
    return console.summary(out, target_spec(name, setup, measurer.ready), outcome, seconds)


def _registration(
    device: str, facts: DeviceFacts, setup: Setup, measurer: Measurer, machine: str
) -> Registration:
    return Registration(
        device=device,
        facts=facts,
        targets=(target_spec(device, setup, measurer.ready),),
        agent_version=metadata.version("lpnet"),
        machine=machine,
    )
