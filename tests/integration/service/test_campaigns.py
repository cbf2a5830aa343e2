"""Campaigns: drawn, followed, planned on by a pruner."""

from __future__ import annotations

from typing import Any

import pytest

from lpnet.schemas.campaign import Completion, Lease, NewCampaign, PlannedWorkload
from lpnet.schemas.sample import SampleBatch
from lpnet.schemas.workload import workload_key
from lpnet_service.errors import Contradiction, Invalid, NotThere
from lpnet_service.services import campaigns, ingest, leasing, runs

Bench = Any


def start(bench: Bench, **fields: Any) -> Any:
    given = {"blocks": 12, "networks": 3, "pruned": 0, "repeats": 0} | fields
    new = NewCampaign(target=bench.target, space=bench.space.hash, **given)
    return campaigns.create(bench.ctx, new)


def measure_all(bench: Bench) -> list[Lease]:
    leases = []
    while (lease := leasing.claim(bench.ctx, bench.agent, [bench.target])) is not None:
        leases.append(lease)
        samples = tuple(
            bench.sample(1.0, id=item.id, kind=item.kind, workload=item.workload.model_dump())
            for item in lease.items
        )
        leasing.complete(bench.ctx, lease.token, Completion(samples=samples))
        bench.clock.advance(10)
    return leases


def test_drawn_workloads_are_of_the_asked_kinds_and_repeatable(bench: Bench) -> None:
    first, second = start(bench, seed=3), start(bench, seed=3)
    assert first.total == second.total == 15
    leases = measure_all(bench)
    drawn: dict[str, list[str]] = {first.id: [], second.id: []}
    for lease in leases:
        drawn[lease.campaign] += [workload_key(item.workload) for item in lease.items]
    assert drawn[first.id] == drawn[second.id]
    kinds = [item.kind for lease in leases for item in lease.items]
    assert (kinds.count("block"), kinds.count("network")) == (24, 6)


def test_repeats_come_last_in_sessions_of_their_own(bench: Bench) -> None:
    campaign = start(bench, repeats=6)
    assert campaign.total == 21
    leases = measure_all(bench)
    fresh = [lease.fresh_session for lease in leases]
    assert fresh == sorted(fresh)
    once = {
        workload_key(i.workload)
        for lease in leases
        if not lease.fresh_session
        for i in lease.items
    }
    again = [i for lease in leases if lease.fresh_session for i in lease.items]
    assert len(again) == 6
    assert {workload_key(item.workload) for item in again} <= once
    assert {item.kind for item in again} == {"block", "network"}


def test_the_remaining_time_is_estimated_from_what_was_measured(bench: Bench) -> None:
    campaign = start(bench, blocks=48, networks=0)
    assert campaign.seconds_left is None
    lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
    assert lease is not None
    bench.clock.advance(24)
    samples = tuple(
        bench.sample(id=item.id, kind="block", workload=item.workload.model_dump())
        for item in lease.items
    )
    leasing.complete(bench.ctx, lease.token, Completion(samples=samples))
    now = campaigns.get(bench.ctx, campaign.id)
    assert (now.measured, now.total) == (24, 48)
    assert now.seconds_left == pytest.approx(24.0)
    measure_all(bench)
    assert campaigns.get(bench.ctx, campaign.id).seconds_left == 0.0


def test_networks_of_a_pruner_are_planned_once_the_drawn_ones_are_measured(bench: Bench) -> None:
    campaign = start(bench, pruned=4)
    assert campaign.total == 19
    assert runs.claim(bench.ctx) is None
    measure_all(bench)
    assert campaigns.get(bench.ctx, campaign.id).state == "running"
    run = runs.claim(bench.ctx)
    assert run is not None
    assert (run.kind, run.campaign) == ("plan", campaign.id)
    chosen = [
        PlannedWorkload(kind="network", draw="pruned", workload=bench.workload(stem=8, wide=w))
        for w in (8, 16, 24)
    ]
    runs.finish_plan(bench.ctx, run, chosen, ["out of reach"])
    leases = measure_all(bench)
    assert [item.draw for lease in leases for item in lease.items] == ["pruned"] * 3
    after = campaigns.get(bench.ctx, campaign.id)
    assert (after.state, after.measured, after.failed) == ("done", 18, 1)
    assert after.failures == ("1 x out of reach",)


def test_a_plan_that_fails_ends_the_campaign_and_says_so(bench: Bench) -> None:
    campaign = start(bench, pruned=4)
    measure_all(bench)
    run = runs.claim(bench.ctx)
    assert run is not None
    runs.fail(bench.ctx, run, "too few samples")
    after = campaigns.get(bench.ctx, campaign.id)
    assert (after.state, after.measured, after.failed) == ("done", 15, 4)
    assert after.failures == ("4 x no pruned networks were chosen: too few samples",)


def test_a_plan_whose_workers_die_is_given_up(bench: Bench) -> None:
    campaign = start(bench, pruned=4)
    measure_all(bench)
    for _ in range(3):
        assert runs.claim(bench.ctx) is not None
        bench.clock.advance(31)
    assert runs.claim(bench.ctx) is None
    assert runs.sweep(bench.ctx) == 1
    assert campaigns.get(bench.ctx, campaign.id).state == "done"


def test_exactly_the_given_workloads_are_measured(bench: Bench) -> None:
    given = PlannedWorkload(kind="network", draw="asked", workload=bench.workload(stem=5))
    campaign = start(bench, workloads=(given,), blocks=9, pruned=9, repeats=9)
    assert campaign.total == 1
    (lease,) = measure_all(bench)
    assert lease.items[0].workload.widths == bench.widths(stem=5)
    assert campaigns.get(bench.ctx, campaign.id).state == "done"


def test_workloads_that_the_space_does_not_have_are_refused(bench: Bench) -> None:
    wrong = PlannedWorkload(kind="network", workload=bench.workload(stem=17))
    with pytest.raises(Invalid) as caught:
        start(bench, workloads=(wrong,))
    assert caught.value.errors[0].field == "workloads.0.workload.widths.stem"
    assert campaigns.newest(bench.ctx, 10) == []


def test_a_campaign_needs_a_target_with_an_agent_and_a_space(bench: Bench) -> None:
    with pytest.raises(NotThere, match="target 'nobody'"):
        campaigns.create(bench.ctx, NewCampaign(target="nobody", space=bench.space.hash))
    with pytest.raises(NotThere, match="space"):
        campaigns.create(bench.ctx, NewCampaign(target=bench.target, space="0" * 64))
    batch = SampleBatch(target="table", samples=(bench.sample(),))
    ingest.store(bench.ctx, batch, create=True)
    with pytest.raises(Contradiction, match="imported"):
        campaigns.create(bench.ctx, NewCampaign(target="table", space=bench.space.hash))
    with pytest.raises(NotThere, match="campaign"):
        campaigns.get(bench.ctx, "campaign-" + "0" * 24)


def test_a_campaign_without_any_sample_has_failed(bench: Bench) -> None:
    campaign = start(bench, blocks=12, networks=0, pruned=3)
    lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
    assert lease is not None
    leasing.complete(bench.ctx, lease.token, Completion())
    after = campaigns.get(bench.ctx, campaign.id)
    assert (after.state, after.measured, after.failed) == ("failed", 0, 15)


def test_campaigns_are_listed_newest_first(bench: Bench) -> None:
    ids = []
    for _ in range(3):
        ids.append(start(bench).id)
        bench.clock.advance(1)
    assert [campaign.id for campaign in campaigns.newest(bench.ctx, 2)] == ids[:0:-1]
