"""The clock of a process is set back by an hour while it works."""

from __future__ import annotations

import signal
from datetime import UTC, datetime, timedelta

import pytest
from tests.harness.clock import ProcessClock
from tests.harness.site import Site

HOUR = timedelta(hours=1)


@pytest.mark.slow
def test_an_agent_keeps_its_lease_and_dates_its_samples_by_its_clock(site: Site) -> None:
    clock = ProcessClock(site.folder / "clock")
    site.start_service()
    began = datetime.now(UTC)
    agent = site.start_agent(environment=clock.environment, LPNET_AGENT_BLOCK_S="0.2")
    campaign = site.ask(blocks=20)
    site.under_way(campaign, agent)
    clock.set("-1h")
    samples = site.complete(campaign)
    ended = datetime.now(UTC)
    times = [sample.measured_at for sample in samples if sample.measured_at]
    before = [time for time in times if began <= time <= ended]
    after = [time for time in times if began <= time + HOUR <= ended]
    assert len(samples) == len(times) == len(before) + len(after)
    assert before
    assert after
    assert all(began <= sample.stored_at <= ended for sample in samples)
    assert "lease lost" not in agent.said
    assert "the lease expired" not in agent.said


@pytest.mark.slow
@pytest.mark.alone  # the library that sets clocks back burns the time of a core
def test_a_service_ends_leases_and_offers_jobs(site: Site) -> None:
    """Whoever holds a lease is dead; by the clock as it was, the lease ends in an hour."""
    clock = ProcessClock(site.folder / "clock")
    site.start_service(**clock.environment)
    first = site.start_agent("first", LPNET_AGENT_BLOCK_S="0.1")
    campaign = site.ask(blocks=40)
    site.under_way(campaign, first)
    first.end(signal.SIGKILL)
    clock.set("-1h")
    second = site.start_agent("second")
    site.complete(campaign)
    assert "job=" in second.said
    # Work that was asked for by the clock as it was waits no longer than other work.
    clock.set("+0")
    second.freeze()
    later = site.ask(blocks=4)
    clock.set("-1h")
    second.thaw()
    site.complete(later)
