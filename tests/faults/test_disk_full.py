"""The disk is full: the agent's, and the service's."""

from __future__ import annotations

import pytest
from tests.harness.disk import Disk
from tests.harness.site import AgentFolder, Site


def test_an_agent_without_room_loses_nothing_and_says_so(site: Site) -> None:
    disk = Disk(site.folder / "disk", "4m")
    site.start_service()
    state = disk.folder / "agent"
    agent = site.start_agent(state=state, wrapper=disk.wrapper, LPNET_AGENT_BLOCK_S="0.15")
    first = site.ask(blocks=12)
    site.under_way(first, agent)
    disk.fill(agent)
    site.until(lambda: "results are only in memory" in agent.said, "it says so", agent)
    site.complete(first)
    site.until(lambda: site.target().state == "paused", "the target is paused", agent)
    reason = site.target().state_reason or ""
    assert str(state) in reason
    assert "Free some space" in reason
    second = site.ask(blocks=12)
    assert site.campaign(second).waiting
    disk.free(agent)
    site.complete(second)
    folder = AgentFolder(disk.seen_by(agent) / "agent")
    assert folder.set_aside() == []
    assert list(folder.spool.glob(".*.part")) == []


@pytest.mark.slow
def test_a_service_without_room_says_so_and_the_agent_keeps_its_results(site: Site) -> None:
    disk = Disk(site.folder / "disk", "6m")
    database = f"sqlite:///{disk.folder / 'lpnet.db'}"
    service = site.start_service(wrapper=disk.wrapper, LPNET_DATABASE_URL=database)
    agent = site.start_agent(LPNET_AGENT_BLOCK_S="0.15")
    campaign = site.ask(blocks=12)
    site.under_way(campaign, agent)
    disk.fill(service)
    site.until(lambda: "[507 disk_full]" in agent.said, "the service says why", agent, service)
    site.until(lambda: bool(site.state.waiting()), "results wait on disk", agent, service)
    disk.free(service)
    site.complete(campaign)
    site.until(lambda: not site.state.spooled(), "the spool is empty", agent)
