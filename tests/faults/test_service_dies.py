"""The service ends, or is killed, under an agent at work."""

from __future__ import annotations

import signal

import pytest
from tests.harness.site import Site


@pytest.mark.parametrize(
    "number", [pytest.param(signal.SIGTERM, marks=pytest.mark.slow), signal.SIGKILL]
)
def test_a_service_that_comes_back_gets_everything_once(
    site: Site, number: signal.Signals
) -> None:
    service = site.start_service()
    agent = site.start_agent(LPNET_AGENT_BLOCK_S="0.15")
    campaign = site.ask(blocks=24, networks=2)
    site.under_way(campaign, agent)
    service.end(number)
    site.until(lambda: bool(site.state.waiting()), "results wait on disk", agent)
    waiting = site.state.waiting()
    site.start_service()
    stored = {sample.id: sample.latency_ms for sample in site.complete(campaign)}
    assert waiting.items() <= stored.items()
    site.until(lambda: not site.state.spooled(), "the spool is empty", agent)


@pytest.mark.slow
def test_results_outlive_a_crash_of_everything(site: Site) -> None:
    """Service killed, then the agent, with a result cut short and a file half written."""
    service = site.start_service()
    agent = site.start_agent(LPNET_AGENT_BLOCK_S="0.15")
    campaign = site.ask(blocks=12)
    site.under_way(campaign, agent)
    service.end(signal.SIGKILL)
    site.until(lambda: bool(site.state.waiting()), "results wait on disk", agent)
    agent.end(signal.SIGKILL)
    site.nothing_left_but()
    waiting = site.state.waiting()
    whole = site.state.spooled()[0]
    cut_short = site.state.spool / "000000000000.json"
    cut_short.write_bytes(whole.read_bytes()[:100])
    partial = site.state.spool / ".000000000099.json.part"
    partial.write_bytes(b'{"token"')
    site.start_service()
    agent = site.start_agent()
    stored = {sample.id: sample.latency_ms for sample in site.complete(campaign)}
    assert waiting.items() <= stored.items()
    assert [file.name for file in site.state.set_aside()] == [cut_short.name]
    assert not partial.exists()
    assert not site.state.spooled()
