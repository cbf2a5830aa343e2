"""Jobs under leases: one holder at a time, nothing lost, nothing twice."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event, current_thread
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event
from sqlalchemy.orm import Session

from lpnet.schemas.campaign import (
    Campaign,
    Completion,
    Heartbeat,
    ItemFailure,
    JobFailure,
    Lease,
    NewCampaign,
    PlannedWorkload,
)
from lpnet.schemas.sample import SampleBatch
from lpnet_service.errors import BadRequest, LeaseLost, NotFound
from lpnet_service.services.measuring import campaigns, ingest, leasing
from lpnet_service.services.reading import samples

Bench = Any


def start_campaign(bench: Bench, networks: int) -> Campaign:
    """A campaign of networks, all of them different."""
    first, second = (width.name for width in bench.space.widths)
    planned = tuple(
        PlannedWorkload(
            kind="network",
            workload=bench.workload(**{first: 1 + index % 16, second: 1 + index // 16}),
        )
        for index in range(networks)
    )
    new = NewCampaign(target=bench.target, space=bench.space.hash, workloads=planned)
    return campaigns.create(bench.ctx, new)


def take(bench: Bench) -> Lease | None:
    return leasing.claim(bench.ctx, bench.agent, [bench.target])


def must_take(bench: Bench) -> Lease:
    lease = take(bench)
    assert lease is not None
    return lease


def measured(bench: Bench, lease: Lease, ms: float = 1.0) -> Completion:
    return Completion(
        samples=tuple(
            bench.sample(ms, id=item.id, workload=item.workload.model_dump())
            for item in lease.items
        )
    )


def state(bench: Bench, campaign: Campaign) -> Campaign:
    return campaigns.get(bench.ctx, campaign.id)


def test_a_campaign_is_measured_job_by_job(bench: Bench) -> None:
    campaign = start_campaign(bench, 13)
    sizes = []
    while (lease := take(bench)) is not None:
        assert lease.target == bench.target
        sizes.append(len(lease.items))
        done = bench.complete(lease.token, measured(bench, lease))
        assert (done.stored, done.known) == (len(lease.items), 0)
    assert sizes == [6, 6, 1]
    after = state(bench, campaign)
    assert (after.state, after.measured, after.failed) == ("done", 13, 0)
    assert after.finished_at == bench.clock.now()
    stored = samples.page(bench.ctx, {"campaign": campaign.id}, after=None, limit=100)
    assert len(stored.items) == 13


def test_two_agents_never_hold_the_same_job(bench: Bench) -> None:
    start_campaign(bench, 120)
    with ThreadPoolExecutor(8) as pool:
        leases = list(pool.map(lambda _: take(bench), range(30)))
    jobs = [lease.job for lease in leases if lease is not None]
    assert len(jobs) == 20
    assert len(set(jobs)) == 20


def test_a_lease_that_expires_is_taken_over_and_the_late_one_is_told(bench: Bench) -> None:
    campaign = start_campaign(bench, 3)
    first = must_take(bench)
    bench.clock.advance(119)
    assert take(bench) is None
    bench.clock.advance(2)
    second = must_take(bench)
    assert (second.job, second.items) == (first.job, first.items)
    assert second.token != first.token
    with pytest.raises(LeaseLost):
        leasing.heartbeat(bench.ctx, first.token, Heartbeat())
    with pytest.raises(LeaseLost):
        bench.complete(first.token, measured(bench, first))
    with pytest.raises(LeaseLost):
        bench.fail(first.token, JobFailure(reason="late"))
    bench.complete(second.token, measured(bench, second))
    assert state(bench, campaign).measured == 3


def test_a_late_result_is_welcome_as_samples_and_counts_once(bench: Bench) -> None:
    campaign = start_campaign(bench, 3)
    first = must_take(bench)
    bench.clock.advance(121)
    second = must_take(bench)
    late = SampleBatch(target=bench.target, samples=measured(bench, first, 2.0).samples)
    assert ingest.store(bench.ctx, late).stored == 3
    done = bench.complete(second.token, measured(bench, second, 3.0))
    assert (done.stored, done.known) == (0, 3)
    assert state(bench, campaign).measured == 3
    stored = samples.page(bench.ctx, {"campaign": campaign.id}, after=None, limit=100)
    assert [sample.latency_ms for sample in stored.items] == [2.0] * 3


def test_samples_of_two_attempts_under_one_id_are_of_the_first(bench: Bench) -> None:
    campaign = start_campaign(bench, 3)
    first = must_take(bench)
    bench.clock.advance(121)
    second = must_take(bench)
    bench.complete(second.token, measured(bench, second, 3.0))
    late = SampleBatch(target=bench.target, samples=measured(bench, first, 2.0).samples)
    result = ingest.store(bench.ctx, late, again=True)
    assert (result.stored, result.known) == (0, 3)
    stored = samples.page(bench.ctx, {"campaign": campaign.id}, after=None, limit=100)
    assert [sample.latency_ms for sample in stored.items] == [3.0] * 3


def test_a_job_counts_the_samples_of_its_target_alone(bench: Bench) -> None:
    campaign = start_campaign(bench, 3)
    lease = must_take(bench)
    copied = SampleBatch(target="copy", samples=measured(bench, lease).samples)
    assert ingest.store(bench.ctx, copied, create=True).stored == 3
    bench.complete(lease.token, Completion())
    after = state(bench, campaign)
    assert (after.measured, after.failed) == (0, 3)
    assert samples.page(bench.ctx, {"campaign": campaign.id}, after=None, limit=9).items == ()


def test_heartbeats_keep_a_lease_and_show_progress(bench: Bench) -> None:
    campaign = start_campaign(bench, 3)
    lease = must_take(bench)
    for count in range(1, 5):
        bench.clock.advance(100)
        assert (
            leasing.heartbeat(bench.ctx, lease.token, Heartbeat(measured=count)).expires_s == 120
        )
    assert take(bench) is None
    assert state(bench, campaign).measured == 3
    assert state(bench, campaign).seconds_left == 0.0
    bench.complete(lease.token, measured(bench, lease))


def test_completing_twice_is_harmless(bench: Bench) -> None:
    campaign = start_campaign(bench, 3)
    lease = must_take(bench)
    bench.complete(lease.token, measured(bench, lease))
    again = bench.complete(lease.token, measured(bench, lease))
    assert (again.stored, again.known) == (0, 3)
    assert state(bench, campaign).measured == 3


def test_failures_are_counted_with_their_reasons(bench: Bench) -> None:
    campaign = start_campaign(bench, 3)
    lease = must_take(bench)
    completion = Completion(
        samples=measured(bench, lease).samples[:1],
        failures=(ItemFailure(item=lease.items[1].id, reason="out of memory"),),
    )
    bench.complete(lease.token, completion)
    after = state(bench, campaign)
    assert (after.state, after.measured, after.failed) == ("done", 1, 2)
    assert sorted(after.failures) == [
        "1 x out of memory",
        "1 x the agent reported neither a sample nor a failure",
    ]


def test_a_job_that_fails_comes_back_and_is_given_up_after_three_times(bench: Bench) -> None:
    campaign = start_campaign(bench, 3)
    for _ in range(3):
        lease = must_take(bench)
        bench.fail(lease.token, JobFailure(reason="no runtime"))
        assert take(bench) is None
        bench.clock.advance(10)
    assert take(bench) is None
    after = state(bench, campaign)
    assert (after.state, after.measured, after.failed) == ("failed", 0, 3)
    assert after.failures == ("3 x no runtime",)


def test_a_job_that_kills_its_agents_is_given_up_by_the_sweep(bench: Bench) -> None:
    campaign = start_campaign(bench, 3)
    for _ in range(3):
        assert leasing.sweep(bench.ctx) == 0
        must_take(bench)
        bench.clock.advance(121)
    assert take(bench) is None
    assert leasing.sweep(bench.ctx) == 1
    assert leasing.sweep(bench.ctx) == 0
    after = state(bench, campaign)
    assert (after.state, after.failed) == ("failed", 3)
    assert after.failures == ("3 x its agents fell silent 3 times",)


def worn_out(bench: Bench) -> Campaign:
    """A campaign whose only job has been left behind by its last agent."""
    campaign = start_campaign(bench, 3)
    for _ in range(3):
        must_take(bench)
        bench.clock.advance(121)
    return campaign


def test_without_a_worker_a_worn_out_job_ends_as_soon_as_someone_looks(
    bench: Bench, api: TestClient
) -> None:
    exhausted = worn_out(bench)
    assert api.get(f"/v1/campaigns/{exhausted.id}").json()["state"] == "failed"
    listed = worn_out(bench)
    states = {
        campaign["id"]: campaign["state"] for campaign in api.get("/v1/campaigns").json()["items"]
    }
    assert states[listed.id] == "failed"
    polled = worn_out(bench)
    asking = {"targets": [bench.target], "wait_s": 0}
    assert api.post(f"/v1/agents/{bench.agent}/leases", json=asking).status_code == 204
    assert state(bench, polled).state == "failed"


def test_a_cancelled_campaign_takes_its_leases_away(bench: Bench) -> None:
    campaign = start_campaign(bench, 6)
    lease = must_take(bench)
    assert campaigns.cancel(bench.ctx, campaign.id).state == "cancelled"
    assert take(bench) is None
    with pytest.raises(LeaseLost):
        leasing.heartbeat(bench.ctx, lease.token, Heartbeat())
    with pytest.raises(LeaseLost):
        bench.complete(lease.token, measured(bench, lease))
    assert campaigns.cancel(bench.ctx, campaign.id).state == "cancelled"


def test_of_jobs_that_end_at_once_one_ends_the_campaign(bench: Bench) -> None:
    campaign = start_campaign(bench, 48)
    leases = [must_take(bench) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        list(
            pool.map(
                lambda lease: bench.complete(lease.token, measured(bench, lease)),
                leases,
            )
        )
    after = state(bench, campaign)
    assert (after.state, after.measured) == ("done", 48)


def test_a_job_that_ends_while_another_is_being_ended_waits_for_it(bench: Bench) -> None:
    """Neither would see the other's end, and nobody would end the campaign."""
    campaign = start_campaign(bench, 12)
    first, second = must_take(bench), must_take(bench)
    bench.clock.advance(100)
    leasing.heartbeat(bench.ctx, first.token, Heartbeat())
    bench.clock.advance(21)
    strict = bench.ctx.settings.model_copy(update={"max_attempts": 1})
    about_to_commit, done = Event(), Event()

    def hold_up(_session: Session) -> None:
        if current_thread().name.startswith("first"):
            about_to_commit.set()
            done.wait(0.5)

    event.listen(Session, "before_commit", hold_up)
    try:
        with ThreadPoolExecutor(1, "first") as pool:
            ending = pool.submit(bench.complete, first.token, measured(bench, first))
            assert about_to_commit.wait(30)
            assert leasing.sweep(replace(bench.ctx, settings=strict)) == 1
            done.set()
            ending.result(30)
    finally:
        event.remove(Session, "before_commit", hold_up)
    after = state(bench, campaign)
    assert (after.state, after.measured, after.failed) == ("done", 6, len(second.items))


def test_what_a_user_waits_for_goes_first(bench: Bench) -> None:
    new = NewCampaign(target=bench.target, space=bench.space.hash, blocks=4, networks=1, pruned=0)
    campaigns.create(bench.ctx, new)
    bench.clock.advance(1)
    urgent = start_campaign(bench, 1)
    assert must_take(bench).campaign == urgent.id


def test_samples_of_another_workload_or_job_are_refused(bench: Bench) -> None:
    start_campaign(bench, 3)
    lease = must_take(bench)
    good = measured(bench, lease).samples
    name = bench.space.widths[0].name
    other = good[0].model_copy(update={"workload": good[1].workload})
    alien = good[0].model_copy(update={"id": "item-of-somebody-else"})
    illegal = bench.sample(id=lease.items[0].id, workload=bench.workload(**{name: 17}))
    for wrong, field in [
        (Completion(samples=(other,)), "samples.0.workload"),
        (Completion(samples=(alien,)), "samples.0.id"),
        (Completion(samples=(illegal,)), f"samples.0.workload.widths.{name}"),
        (Completion(failures=(ItemFailure(item="x", reason="y"),)), "failures.0.item"),
    ]:
        with pytest.raises(BadRequest) as caught:
            bench.complete(lease.token, wrong)
        assert [fault.field for fault in caught.value.errors] == [field]
    bench.complete(lease.token, measured(bench, lease))


def test_a_sentinel_may_come_with_any_job(bench: Bench) -> None:
    campaign = start_campaign(bench, 1)
    lease = must_take(bench)
    check = bench.sample(0.5, sentinel="memory", id="sentinel-0001")
    completion = Completion(samples=(*measured(bench, lease).samples, check))
    assert bench.complete(lease.token, completion).stored == 2
    assert state(bench, campaign).measured == 1


def test_agents_ask_for_targets_of_their_own(bench: Bench) -> None:
    with pytest.raises(NotFound):
        leasing.check_agent(bench.ctx, "agent-" + "0" * 24, [bench.target])
    with pytest.raises(BadRequest) as caught:
        leasing.check_agent(bench.ctx, bench.agent, [bench.target, "other"])
    assert caught.value.errors[0].field == "targets.1"


def test_a_token_that_never_was_is_a_lost_lease(bench: Bench) -> None:
    with pytest.raises(LeaseLost):
        leasing.heartbeat(bench.ctx, "lease-" + "0" * 24, Heartbeat())
