"""The service's clock is set back: leases still end, work is still offered."""

from __future__ import annotations

from typing import Any

import pytest

from lpnet.schemas.campaign import Campaign, Heartbeat, JobFailure, NewCampaign, PlannedWorkload
from lpnet_service.services.measuring import campaigns, leasing
from lpnet_service.services.upkeep import sweeping

Bench = Any
HOUR = 3600.0


def start_campaign(bench: Bench) -> Campaign:
    planned = PlannedWorkload(kind="network", workload=bench.workload())
    new = NewCampaign(target=bench.target, space=bench.space.hash, workloads=(planned,))
    return campaigns.create(bench.ctx, new)


def taken(bench: Bench) -> str | None:
    """The token of a job, asked for as the API does."""
    sweeping.sweep(bench.ctx)
    lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
    return lease.token if lease else None


def test_a_lease_ends_one_lease_after_the_step(bench: Bench) -> None:
    start_campaign(bench)
    first = taken(bench)
    bench.clock.advance(-HOUR)
    assert taken(bench) is None
    bench.clock.advance(bench.ctx.settings.lease_s + 1)
    assert taken(bench) not in (None, first)


def test_a_lease_that_is_held_goes_on(bench: Bench) -> None:
    start_campaign(bench)
    token = taken(bench)
    bench.clock.advance(-HOUR)
    for _ in range(4):
        leasing.heartbeat(bench.ctx, str(token), Heartbeat(measured=0))
        bench.clock.advance(bench.ctx.settings.lease_s / 2)
        assert taken(bench) is None


def test_work_asked_for_before_the_step_is_offered(bench: Bench) -> None:
    start_campaign(bench)
    bench.clock.advance(-HOUR)
    assert taken(bench) is not None


def test_work_that_pauses_is_offered_too(bench: Bench) -> None:
    start_campaign(bench)
    bench.fail(str(taken(bench)), JobFailure(reason="no"))
    bench.clock.advance(-HOUR)
    assert taken(bench) is not None


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_clock_that_goes_on_changes_nothing(bench: Bench, share: float) -> None:
    start_campaign(bench)
    assert taken(bench) is not None
    bench.clock.advance(bench.ctx.settings.lease_s * share)
    assert taken(bench) is None
