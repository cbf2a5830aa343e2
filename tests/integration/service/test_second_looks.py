"""What is offered again: items without a good sample, disturbed ones, those that a drift takes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from lpnet.schemas.campaign import (
    Campaign,
    Completion,
    Heartbeat,
    ItemFailure,
    JobFailure,
    Lease,
    LeasedItem,
    NewCampaign,
    PlannedWorkload,
)
from lpnet.schemas.condition import Cause, ConditionReport
from lpnet.schemas.device import DeviceFacts, Registration, TargetSpec
from lpnet.schemas.lpnet import NewTraining
from lpnet.schemas.sample import Sample, SampleBatch, StoredSample
from lpnet_service.errors import Conflict, DeviceBusy, NoSamples
from lpnet_service.services.learning import trainings
from lpnet_service.services.measuring import agents, campaigns, conditions, ingest, leasing
from lpnet_service.services.reading import samples, sentinels
from lpnet_service.services.shared import targets
from lpnet_service.services.upkeep import sweeping

Bench = Any


def start_campaign(bench: Bench, networks: int = 3) -> Campaign:
    first, second = (width.name for width in bench.space.widths)
    planned = tuple(
        PlannedWorkload(
            kind="network", workload=bench.workload(**{first: 1 + index, second: 1 + index})
        )
        for index in range(networks)
    )
    new = NewCampaign(target=bench.target, space=bench.space.hash, workloads=planned)
    return campaigns.create(bench.ctx, new)


def take(bench: Bench) -> Lease | None:
    sweeping.sweep(bench.ctx)
    return leasing.claim(bench.ctx, bench.agent, [bench.target])


def must_take(bench: Bench) -> Lease:
    lease = take(bench)
    assert lease is not None
    return lease


def sample(bench: Bench, item: LeasedItem, ms: float = 1.0, *, disturbed: bool = False) -> Sample:
    sample: Sample = bench.sample(
        ms,
        id=item.id,
        workload=item.workload.model_dump(),
        measured_at=bench.clock.now(),
        disturbed=disturbed,
        reasons=("steal 12%",) if disturbed else (),
    )
    return sample


def deliver(bench: Bench, *samples: Sample) -> None:
    batch = SampleBatch(target=bench.target, samples=samples)
    ingest.store(bench.ctx, batch, again=True)


def complete(bench: Bench, lease: Lease, *samples: Sample) -> None:
    bench.complete(lease.token, Completion(samples=samples))


def postpone(bench: Bench, lease: Lease) -> None:
    bench.fail(lease.token, JobFailure(reason="its share is used up", postponed=True))
    bench.clock.advance(3)


def stored(bench: Bench) -> dict[str, StoredSample]:
    page = samples.page(bench.ctx, {"target": bench.target}, after=None, limit=100)
    return {sample.id: sample for sample in page.items}


def look(bench: Bench, campaign: Campaign) -> Campaign:
    return campaigns.get(bench.ctx, campaign.id)


def drift(bench: Bench, since: Any, reason: str = "the memory sentinel is 9% above") -> None:
    condition = ConditionReport(
        target=bench.target, state="paused", reason=reason, cause="sentinel", since=since
    )
    conditions.report(bench.ctx, bench.agent, condition)


def recover(bench: Bench) -> None:
    condition = ConditionReport(target=bench.target, state="ready")
    conditions.report(bench.ctx, bench.agent, condition)


def test_a_lease_is_of_the_items_that_have_no_undisturbed_sample(bench: Bench) -> None:
    campaign = start_campaign(bench)
    first = must_take(bench)
    clean, spoilt, never = first.items
    deliver(bench, sample(bench, clean), sample(bench, spoilt, 9.0, disturbed=True))
    postpone(bench, first)
    second = must_take(bench)
    assert (second.job, second.items) == (first.job, (spoilt, never))
    leasing.heartbeat(bench.ctx, second.token, Heartbeat(measured=1))
    assert look(bench, campaign).measured == 2
    complete(bench, second, sample(bench, spoilt, 2.0), sample(bench, never, 3.0))
    after = look(bench, campaign)
    assert (after.state, after.measured, after.disturbed, after.failed) == ("done", 3, 0, 0)
    assert sorted(sample.latency_ms for sample in stored(bench).values()) == [1.0, 2.0, 3.0]


def test_a_job_of_which_a_burst_measures_one_item_each_ends(bench: Bench) -> None:
    campaign = start_campaign(bench, 7)
    leases = 0
    while (lease := take(bench)) is not None:
        leases += 1
        deliver(bench, sample(bench, lease.items[0]))
        postpone(bench, lease)
    after = look(bench, campaign)
    assert (after.state, after.measured, leases) == ("done", 7, 7)


def test_a_job_whose_items_are_all_stored_is_offered_to_nobody(bench: Bench) -> None:
    campaign = start_campaign(bench, 7)
    lease = must_take(bench)
    deliver(bench, *(sample(bench, item) for item in lease.items))
    bench.clock.advance(bench.ctx.settings.lease_s + 1)
    other = must_take(bench)
    assert other.job != lease.job
    complete(bench, other, *(sample(bench, item) for item in other.items))
    assert look(bench, campaign).state == "done"
    assert all(sample.epoch == 1 for sample in stored(bench).values())
    page = samples.page(bench.ctx, {"campaign": campaign.id}, after=None, limit=9)
    assert len(page.items) == 7


def test_an_undisturbed_sample_replaces_a_disturbed_one_and_never_the_other_way(
    bench: Bench,
) -> None:
    campaign = start_campaign(bench, 1)
    lease = must_take(bench)
    (item,) = lease.items
    deliver(bench, sample(bench, item, 9.0, disturbed=True))
    bench.clock.advance(1)
    complete(bench, lease, sample(bench, item, 2.0))
    bench.clock.advance(1)
    deliver(bench, sample(bench, item, 8.0, disturbed=True))
    deliver(bench, sample(bench, item, 3.0))
    (kept,) = stored(bench).values()
    assert (kept.latency_ms, kept.disturbed, kept.reasons) == (2.0, False, ())
    page = samples.page(bench.ctx, {"campaign": campaign.id}, after=None, limit=9)
    assert [sample.latency_ms for sample in page.items] == [2.0]


def test_disturbed_items_are_offered_once_more_after_a_pause(bench: Bench) -> None:
    campaign = start_campaign(bench)
    first = must_take(bench)
    clean, spoilt, broken = first.items
    completion = Completion(
        samples=(sample(bench, clean), sample(bench, spoilt, 9.0, disturbed=True)),
        failures=(ItemFailure(item=broken.id, reason="out of memory"),),
    )
    bench.complete(first.token, completion)
    bench.complete(first.token, completion)
    waits = look(bench, campaign)
    assert (waits.state, waits.measured, waits.disturbed, waits.failed) == ("running", 2, 1, 1)
    bench.clock.advance(bench.ctx.settings.disturbed_retry_s - 1)
    assert take(bench) is None
    bench.clock.advance(2)
    second = must_take(bench)
    assert (second.job, second.items) == (first.job, (spoilt,))
    complete(bench, second, sample(bench, spoilt, 8.0, disturbed=True))
    after = look(bench, campaign)
    assert (after.state, after.measured, after.disturbed) == ("done", 2, 1)
    assert after.failures == ("1 x out of memory",)
    bench.clock.advance(1000)
    assert take(bench) is None


def test_a_second_look_that_fails_leaves_the_job_done(bench: Bench) -> None:
    campaign = start_campaign(bench, 1)
    lease = must_take(bench)
    complete(bench, lease, sample(bench, lease.items[0], 9.0, disturbed=True))
    for _ in range(bench.ctx.settings.max_attempts):
        bench.clock.advance(100)
        lease = must_take(bench)
        bench.fail(lease.token, JobFailure(reason="no runtime"))
    bench.clock.advance(100)
    assert take(bench) is None
    after = look(bench, campaign)
    assert (after.state, after.measured, after.disturbed, after.failed) == ("done", 1, 1, 0)


def test_a_drift_takes_back_what_was_measured_since_the_last_good_check(bench: Bench) -> None:
    campaign = start_campaign(bench, 13)
    first, second = must_take(bench), must_take(bench)
    complete(bench, first, *(sample(bench, item) for item in first.items))
    checked = bench.clock.now()
    bench.clock.advance(10)
    late = tuple(sample(bench, item, 5.0) for item in second.items)
    complete(bench, second, *late)
    check = {"kind": "network", "sentinel": "memory", "measured_at": bench.clock.now()}
    deliver(bench, bench.sample(1.0, **check))
    for _ in range(2):
        drift(bench, checked)
        stored_samples = stored(bench)
        marked = {id_ for id_, sample in stored_samples.items() if sample.disturbed}
        assert marked == {item.id for item in second.items}
        assert {stored_samples[id_].reasons for id_ in marked} == {
            ("the memory sentinel is 9% above",)
        }
    assert look(bench, campaign).disturbed == 6
    # The agent heard no answer and delivers again what it cannot vouch for.
    complete(bench, second, *late)
    assert take(bench) is None
    bench.clock.advance(60)
    recover(bench)
    items = {item.id for lease in iter(lambda: take(bench), None) for item in lease.items}
    assert items == {item.id for item in second.items} | (items - set(stored(bench)))
    assert len(items) == 7


def test_what_a_drift_took_back_is_measured_again(bench: Bench) -> None:
    campaign = start_campaign(bench, 7)
    first, other = must_take(bench), must_take(bench)
    checked = bench.clock.now() - timedelta(seconds=1)
    complete(bench, first, *(sample(bench, item, 5.0) for item in first.items))
    drift(bench, checked)
    recover(bench)
    bench.clock.advance(30)
    complete(bench, other, *(sample(bench, item) for item in other.items))
    again = must_take(bench)
    assert again.items == first.items
    complete(bench, again, *(sample(bench, item, 2.0) for item in again.items))
    after = look(bench, campaign)
    assert (after.state, after.measured, after.disturbed) == ("done", 7, 0)
    assert sorted(sample.latency_ms for sample in stored(bench).values()) == [1.0] + [2.0] * 6


def test_a_drift_after_a_campaign_only_marks(bench: Bench) -> None:
    campaign = start_campaign(bench, 1)
    lease = must_take(bench)
    since = bench.clock.now() - timedelta(seconds=1)
    complete(bench, lease, sample(bench, lease.items[0]))
    drift(bench, since)
    recover(bench)
    assert take(bench) is None
    assert look(bench, campaign).state == "done"
    with pytest.raises(NoSamples):
        trainings.start(bench.ctx, bench.target, NewTraining())


@pytest.mark.parametrize(
    ("cause", "by"), [("owner", "by its owner"), ("room", "for lack of space")]
)
def test_what_has_not_drifted_is_not_cleared(bench: Bench, cause: Cause, by: str) -> None:
    condition = ConditionReport(
        target=bench.target, state="paused", reason="until 07:00", cause=cause
    )
    conditions.report(bench.ctx, bench.agent, condition)
    with pytest.raises(Conflict, match=f"paused {by}: until 07:00"):
        conditions.clear(bench.ctx, bench.target)
    assert targets.get_target(bench.ctx, bench.target).epoch == 1
    drift(bench, None)
    assert conditions.clear(bench.ctx, bench.target).epoch == 2


def test_only_who_has_the_seat_speaks_of_a_target(bench: Bench) -> None:
    registration = Registration(
        device="desk",
        facts=DeviceFacts(),
        targets=(TargetSpec(name=bench.target, runtime="onnxruntime", threads=1),),
        agent_version="1",
        seat="seat-one",
    )
    agents.register(bench.ctx, registration)

    def report(seat: str | None) -> None:
        reason = f"by {seat}"
        condition = ConditionReport(target=bench.target, state="broken", reason=reason, seat=seat)
        conditions.report(bench.ctx, bench.agent, condition)

    with pytest.raises(DeviceBusy):
        report("seat-two")
    assert targets.get_target(bench.ctx, bench.target).state == "idle"
    for seat in ("seat-one", None):
        report(seat)
        assert targets.get_target(bench.ctx, bench.target).state_reason == f"by {seat}"


def test_what_was_measured_before_an_epoch_began_belongs_to_the_one_before(bench: Bench) -> None:
    check = {"kind": "network", "sentinel": "memory", "measured_at": bench.clock.now()}
    kept = (bench.sample(1.0, measured_at=bench.clock.now()), bench.sample(4.0, **check))
    bench.clock.advance(60)
    drift(bench, None)
    conditions.clear(bench.ctx, bench.target)
    deliver(bench, *kept, bench.sample(2.0, measured_at=bench.clock.now()))
    assert {sample.latency_ms: sample.epoch for sample in stored(bench).values()} == {
        1.0: 1,
        4.0: 1,
        2.0: 2,
    }
    assert sentinels.history(bench.ctx, bench.target, 9).level_ms == {}


def test_a_job_of_the_epoch_is_of_the_epoch_by_whatever_clock(bench: Bench) -> None:
    drift(bench, None)
    conditions.clear(bench.ctx, bench.target)
    start_campaign(bench, 1)
    lease = must_take(bench)
    behind = sample(bench, lease.items[0]).model_copy(
        update={"measured_at": bench.clock.now() - timedelta(days=900)}
    )
    complete(bench, lease, behind)
    assert [sample.epoch for sample in stored(bench).values()] == [2]
