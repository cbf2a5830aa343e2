"""The service is well, and the agent cannot reach it."""

from __future__ import annotations

import pytest
from tests.harness.site import Site
from tests.harness.wire import Way, Wire


@pytest.mark.parametrize("way", ["refused", pytest.param("silent", marks=pytest.mark.slow)])
def test_what_is_measured_without_a_network_is_delivered_once(
    site: Site, wire: Wire, way: Way
) -> None:
    site.start_service()
    agent = site.start_agent(port=wire.port, LPNET_AGENT_BLOCK_S="0.15")
    campaign = site.ask(blocks=16, networks=1)
    site.under_way(campaign, agent)
    wire.set(way)
    site.until(lambda: bool(site.state.waiting()), "results wait on disk", agent)
    site.until(lambda: "waiting for the server" in agent.said, "it notices", agent)
    wire.set("open")
    site.complete(campaign)
    site.until(lambda: not site.state.spooled(), "the spool is empty", agent)


@pytest.mark.parametrize(
    "answer", [b"/complete ", pytest.param(b"/leases ", marks=pytest.mark.slow)]
)
def test_an_answer_that_is_lost_costs_nothing(site: Site, wire: Wire, answer: bytes) -> None:
    """The service has acted on the request: stored the results, or given the job away."""
    site.start_service()
    agent = site.start_agent(port=wire.port)
    site.until(lambda: "registered" in agent.said, "the agent registers", agent)
    wire.set("refused")
    campaign = site.ask(blocks=12)
    wire.cut_answer_to = answer
    wire.set("open")
    site.until(wire.cut.is_set, "the answer is lost", agent)
    site.complete(campaign)
    site.until(lambda: not site.state.spooled(), "the spool is empty", agent)
    assert site.state.set_aside() == []
