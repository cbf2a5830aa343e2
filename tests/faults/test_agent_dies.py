"""The agent is killed, again and again, or frozen for longer than its lease."""

from __future__ import annotations

import random
import shutil
import signal
import subprocess
from functools import partial

import pytest
from tests.harness.processes import Running
from tests.harness.site import Site


def test_a_job_of_a_killed_agent_goes_to_another(site: Site) -> None:
    service = site.start_service()
    first = site.start_agent("first", LPNET_AGENT_BLOCK_S="0.3")
    campaign = site.ask(blocks=12)
    site.under_way(campaign, first)
    first.end(signal.SIGKILL)
    site.nothing_left_but(service)
    second = site.start_agent("second")
    site.complete(campaign)
    assert "job=" in second.said


@pytest.mark.slow
def test_killed_ten_times_it_loses_and_doubles_nothing(site: Site) -> None:
    service = site.start_service()
    rng = random.Random(20)
    agent = site.start_agent()
    campaign = site.ask(blocks=120, networks=4, repeats=4)
    for number in range(10):
        if number % 2:  # the others may be killed before they have begun
            site.until(partial(_registered, agent), "the agent registers", agent)
        with pytest.raises(subprocess.TimeoutExpired):
            agent.process.wait(rng.uniform(0.0, 2.0))
        agent.end(signal.SIGKILL)
        agent = site.start_agent(f"agent-{number}")
    site.until(partial(_registered, agent), "the last agent registers", agent)
    site.complete(campaign)
    assert site.state.spooled() == site.state.set_aside() == []
    assert agent.end() == 0
    site.nothing_left_but(service)


@pytest.mark.slow
def test_a_frozen_agent_loses_its_lease_and_no_sample(site: Site) -> None:
    """Its place is taken from a copy of its state folder, as another machine would have one."""
    site.start_service(LPNET_OFFLINE_S="4")
    first = site.start_agent("first", LPNET_AGENT_TAKEOVER_S="0", LPNET_AGENT_BLOCK_S="0.4")
    campaign = site.ask(blocks=12)
    site.under_way(campaign, first)
    first.freeze()
    copy = shutil.copytree(site.state.path, site.folder / "copy")
    second = site.start_agent("second", state=copy, LPNET_AGENT_BLOCK_S="0.4")
    site.until(lambda: "job=" in second.said, "the job goes to another", second)
    first.thaw()
    site.until(lambda: "lease lost" in first.said, "its lease is refused")
    site.until(lambda: "samples delivered" in first.said, "its samples are taken")
    assert len({sample.session for sample in site.complete(campaign)}) == 2
    assert first.process.wait(20) == 1
    assert "already has an agent" in first.said
    assert second.alive


def _registered(agent: Running) -> bool:
    return "registered" in agent.said
