"""Campaigns: drawn, followed, planned on by a pruner."""

from __future__ import annotations

from typing import Any

import pytest

from lpnet.schemas.campaign import Completion, Heartbeat, Lease, NewCampaign, PlannedWorkload
from lpnet.schemas.sample import SampleBatch
from lpnet.schemas.workload import workload_key
from lpnet_service.errors import BadRequest, Conflict, NotFound
from lpnet_service.services.learning import runs
from lpnet_service.services.measuring import campaigns, ingest, leasing

Bench = Any


def start(bench: Bench, **fields: Any) -> Any:
    values = {"blocks": 12, "networks": 3, "pruned": 0, "repeats": 0} | fields
    new = NewCampaign(target=bench.target, space=bench.space.hash, **values)
    return campaigns.create(bench.ctx, new)


def claim(bench: Bench) -> Lease | None:
    return leasing.claim(bench.ctx, bench.agent, [bench.target])


def measure(bench: Bench, lease: Lease) -> None:
    samples = tuple(
        bench.sample(1.0, id=item.id, kind=item.kind, workload=item.workload.model_dump())
        for item in lease.items
    )
    bench.complete(lease.token, Completion(samples=samples))


def measure_all(bench: Bench, *, repeats: bool = True) -> list[Lease]:
    """Measure what is offered now, and what is after the pause before repeats."""
    leases = []
    for pause_s in (0, bench.ctx.settings.repeat_pause_s) if repeats else (0,):
        bench.clock.advance(pause_s)
        while (lease := claim(bench)) is not None:
            leases.append(lease)
            measure(bench, lease)
            bench.clock.advance(10)
    return leases


def measure_disturbed(bench: Bench, count: int) -> None:
    """Complete the next job, if there is one; its first samples are disturbed."""
    lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
    if lease is not None:
        samples = tuple(
            bench.sample(
                id=item.id,
                kind=item.kind,
                workload=item.workload.model_dump(),
                measured_at=bench.clock.now(),
                disturbed=index < count,
            )
            for index, item in enumerate(lease.items)
        )
        bench.complete(lease.token, Completion(samples=samples))


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


def test_repeats_wait_until_a_minute_after_their_first_sample(bench: Bench) -> None:
    start(bench, blocks=24, networks=0, repeats=2)
    first = claim(bench)
    assert first is not None
    measure(bench, first)
    bench.clock.advance(30)
    # The repeats are of workloads in the first job, so the second does not postpone them.
    second = claim(bench)
    assert second is not None
    assert not second.fresh_session
    measure(bench, second)
    assert claim(bench) is None
    bench.clock.advance(29)
    assert claim(bench) is None
    bench.clock.advance(1)
    last = claim(bench)
    assert last is not None
    assert last.fresh_session


def test_planning_does_not_wait_for_repeats(bench: Bench) -> None:
    campaign = start(bench, repeats=3, pruned=1)
    drawn = measure_all(bench, repeats=False)
    assert not any(lease.fresh_session for lease in drawn)
    run = runs.claim(bench.ctx)
    assert run is not None
    assert run.kind == "plan"
    pruned = PlannedWorkload(kind="network", draw="pruned", workload=bench.workload(stem=8))
    runs.finish_plan(bench.ctx, run, [pruned], [])
    assert [lease.fresh_session for lease in measure_all(bench)] == [False, True]
    after = campaigns.get(bench.ctx, campaign.id)
    assert (after.state, after.measured) == ("done", 19)


def test_the_remaining_time_is_estimated_from_what_was_measured(bench: Bench) -> None:
    campaign = start(bench, blocks=36, networks=0)
    assert campaign.seconds_left is None
    lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
    assert lease is not None
    bench.clock.advance(12)
    samples = tuple(
        bench.sample(id=item.id, kind="block", workload=item.workload.model_dump())
        for item in lease.items
    )
    bench.complete(lease.token, Completion(samples=samples))
    now = campaigns.get(bench.ctx, campaign.id)
    assert (now.measured, now.total) == (12, 36)
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
    planned = PlannedWorkload(kind="network", draw="asked", workload=bench.workload(stem=5))
    campaign = start(bench, workloads=(planned,), blocks=9, pruned=9, repeats=9)
    assert campaign.total == 1
    (lease,) = measure_all(bench)
    assert lease.items[0].workload.widths == bench.widths(stem=5)
    assert campaigns.get(bench.ctx, campaign.id).state == "done"


def test_workloads_that_the_space_does_not_have_are_refused(bench: Bench) -> None:
    wrong = PlannedWorkload(kind="network", workload=bench.workload(stem=17))
    with pytest.raises(BadRequest) as caught:
        start(bench, workloads=(wrong,))
    assert caught.value.errors[0].field == "workloads.0.workload.widths.stem"
    assert campaigns.page(bench.ctx, limit=10).items == ()


def test_a_campaign_needs_a_target_with_an_agent_and_a_space(bench: Bench) -> None:
    with pytest.raises(NotFound, match="target 'nobody'"):
        campaigns.create(bench.ctx, NewCampaign(target="nobody", space=bench.space.hash))
    with pytest.raises(NotFound, match="space"):
        campaigns.create(bench.ctx, NewCampaign(target=bench.target, space="0" * 64))
    batch = SampleBatch(target="table", samples=(bench.sample(),))
    ingest.store(bench.ctx, batch, create=True)
    with pytest.raises(Conflict, match="imported"):
        campaigns.create(bench.ctx, NewCampaign(target="table", space=bench.space.hash))
    with pytest.raises(NotFound, match="campaign"):
        campaigns.get(bench.ctx, "campaign-" + "0" * 24)


def test_a_campaign_without_any_sample_has_failed(bench: Bench) -> None:
    campaign = start(bench, blocks=12, networks=0, pruned=3)
    lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
    assert lease is not None
    bench.complete(lease.token, Completion())
    after = campaigns.get(bench.ctx, campaign.id)
    assert (after.state, after.measured, after.failed) == ("failed", 0, 15)


@pytest.mark.parametrize(("disturbed", "state"), [(0, "done"), (6, "done"), (7, "failed")])
def test_most_of_the_drawn_workloads_need_a_good_sample(
    bench: Bench, disturbed: int, state: str
) -> None:
    campaign = start(bench, blocks=12, networks=0)
    measure_disturbed(bench, disturbed)
    bench.clock.advance(100)
    measure_disturbed(bench, disturbed)
    after = campaigns.get(bench.ctx, campaign.id)
    assert (after.state, after.measured, after.disturbed) == (state, 12, disturbed)
    assert after.good == 12 - disturbed
    failures = ("7 of 12 samples are disturbed",) if state == "failed" else ()
    assert after.failures == failures


def test_campaigns_are_listed_newest_first(bench: Bench) -> None:
    ids = []
    for _ in range(3):
        ids.append(start(bench).id)
        bench.clock.advance(1)
    assert [campaign.id for campaign in campaigns.page(bench.ctx, limit=2).items] == ids[:0:-1]


def test_pages_of_campaigns_join_up_both_ways(bench: Bench) -> None:
    ids = []
    for number in range(7):
        ids.append(start(bench).id)
        bench.clock.advance(number % 2)  # pairs of the same moment
    first = campaigns.page(bench.ctx, limit=3)
    second = campaigns.page(bench.ctx, limit=3, after=first.next)
    third = campaigns.page(bench.ctx, limit=3, after=second.next)
    listed = [campaign for page in (first, second, third) for campaign in page.items]
    assert sorted(campaign.id for campaign in listed) == sorted(ids)
    times = [campaign.created_at for campaign in listed]
    assert times == sorted(times, reverse=True)
    assert (first.previous, third.next) == (None, None)
    assert campaigns.page(bench.ctx, limit=3, after=third.previous).items == second.items
    assert campaigns.page(bench.ctx, limit=3, after=second.previous).items == first.items
    with pytest.raises(BadRequest, match="after"):
        campaigns.page(bench.ctx, limit=3, after="x")


def test_campaigns_are_listed_by_target_and_state(bench: Bench) -> None:
    first, other = start(bench), start(bench)
    campaigns.cancel(bench.ctx, other.id)
    listed = campaigns.page(bench.ctx, state="running", limit=9).items
    assert [campaign.id for campaign in listed] == [first.id]
    assert len(campaigns.page(bench.ctx, target=bench.target, limit=9).items) == 2
    assert campaigns.page(bench.ctx, target="nobody", limit=9).items == ()


def test_a_pace_is_measured_or_says_why_not(bench: Bench) -> None:
    campaign = start(bench)
    assert (campaign.samples_per_minute, campaign.seconds_left) == (None, None)
    assert campaign.pace_reason == campaign.seconds_left_reason
    assert "no agent" in str(campaign.pace_reason)
    lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
    assert lease is not None
    bench.clock.advance(30)
    assert "nothing" in str(campaigns.get(bench.ctx, campaign.id).pace_reason)
    leasing.heartbeat(bench.ctx, lease.token, Heartbeat(measured=5))
    going = campaigns.get(bench.ctx, campaign.id)
    assert going.samples_per_minute == pytest.approx(10)
    assert going.seconds_left == pytest.approx(6 * (going.total - 5))
    assert (going.pace_reason, going.seconds_left_reason) == (None, None)
    bench.clock.advance(30)
    campaigns.cancel(bench.ctx, campaign.id)
    bench.clock.advance(600)
    over = campaigns.get(bench.ctx, campaign.id)
    assert over.samples_per_minute == pytest.approx(5)
    assert over.seconds_left == 0
