"""Estimates: what a campaign would be, told before anything starts."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from lpnet.schemas.campaign import Completion, LeasedItem, NewCampaign, PlannedWorkload
from lpnet.schemas.condition import ConditionReport
from lpnet.schemas.device import Budgets, DeviceFacts, Registration, TargetSpec
from lpnet.schemas.sample import SampleBatch
from lpnet_service.api.app import Application
from lpnet_service.errors import BadRequest, Conflict, NotFound
from lpnet_service.repositories.sides import SideRepository
from lpnet_service.services.measuring import agents, campaigns, conditions, ingest, leasing
from lpnet_service.services.reading import estimates
from lpnet_service.worker import dataset

Bench = Any
BLOCK_S, NETWORK_S = 0.5, 4.0


def request(bench: Bench, **fields: Any) -> NewCampaign:
    values = {"blocks": 30, "networks": 24, "pruned": 0, "repeats": 0, "seed": 3} | fields
    return NewCampaign(target=bench.target, space=bench.space.hash, **values)


def measure_all(bench: Bench) -> list[LeasedItem]:
    """Measure all that there is, at a steady pace."""
    items: list[LeasedItem] = []
    while (lease := leasing.claim(bench.ctx, bench.agent, [bench.target])) is not None:
        items += lease.items
        for item in lease.items:
            bench.clock.advance(BLOCK_S if item.kind == "block" else NETWORK_S)
        samples = tuple(
            bench.sample(1.0, id=item.id, kind=item.kind, workload=item.workload.model_dump())
            for item in lease.items
        )
        bench.complete(lease.token, Completion(samples=samples))
    return items


def test_it_is_of_exactly_what_the_campaign_measures(bench: Bench) -> None:
    new = request(bench, repeats=5, pruned=7)
    estimate = estimates.estimate(bench.ctx, new)
    assert campaigns.page(bench.ctx, limit=9).items == ()
    assert estimates.estimate(bench.ctx, new) == estimate
    assert campaigns.create(bench.ctx, new).total == estimate.samples == 30 + 24 + 5 + 7
    jobs = 0
    items: list[LeasedItem] = []
    while (lease := leasing.claim(bench.ctx, bench.agent, [bench.target])) is not None:
        jobs += 1
        items += lease.items
    assert jobs == estimate.jobs
    for kind in estimate.kinds:
        assert kind.drawn + kind.repeats == sum(item.kind == kind.kind for item in items)
    assert [kind.pruned for kind in estimate.kinds] == [0, 7]
    space = bench.space
    shares = [
        space.macs(space.vector(item.workload.widths)) / space.macs(space.dense)
        for item in items
        if item.kind == "network"
    ]
    assert (estimate.reach.macs_share_low, estimate.reach.macs_share_high) == (
        min(shares),
        max(shares),
    )
    assert max(shares) == 1.0


def test_minutes_come_from_the_targets_own_jobs(bench: Bench) -> None:
    before = estimates.estimate(bench.ctx, request(bench))
    assert before.time.minutes is None
    assert before.time.source == "unknown: nothing was measured on this target yet"
    campaigns.create(bench.ctx, request(bench))
    measure_all(bench)
    estimate = estimates.estimate(bench.ctx, request(bench, seed=4, pruned=6, repeats=2))
    assert [kind.known_from for kind in estimate.kinds] == [30, 24]
    assert [kind.seconds_each for kind in estimate.kinds] == pytest.approx([BLOCK_S, NETWORK_S])
    assert estimate.time.minutes == pytest.approx((31 * BLOCK_S + 31 * NETWORK_S) / 60)
    assert "of this space on this target: 0.5 s a block (mean of 30), 4 s" in estimate.time.source


def test_a_kind_that_was_never_measured_leaves_the_minutes_unknown(bench: Bench) -> None:
    campaigns.create(bench.ctx, request(bench, networks=0))
    measure_all(bench)
    blocks = estimates.estimate(bench.ctx, request(bench, networks=0))
    assert blocks.time.minutes == pytest.approx(30 * BLOCK_S / 60)
    both = estimates.estimate(bench.ctx, request(bench))
    assert both.time.minutes is None
    assert both.time.source == "unknown: too few networks were measured on this target yet"


def test_budgets_of_the_agent_bound_the_timed_runs(bench: Bench) -> None:
    assert estimates.estimate(bench.ctx, request(bench)).time.timed_minutes_at_most is None
    registration = Registration(
        device="desk",
        facts=DeviceFacts(),
        targets=(TargetSpec(name=bench.target, runtime="onnxruntime", threads=1),),
        agent_version="1",
        budgets=Budgets(block_s=0.2, network_s=1.1),
    )
    agents.register(bench.ctx, registration)
    bound = estimates.estimate(bench.ctx, request(bench)).time.timed_minutes_at_most
    assert bound == pytest.approx((30 * 0.2 + 24 * 1.1) / 60)


def test_what_is_not_covered_is_named(bench: Bench) -> None:
    names = [block.name for block in bench.space.blocks]
    nothing = estimates.estimate(bench.ctx, request(bench, blocks=1, networks=0)).reach
    assert (nothing.blocks, nothing.blocks_alone) == (len(names), 1)
    assert nothing.blocks_missing == tuple(names[1:])
    assert nothing.widths_varied == 0
    assert nothing.widths_missing == tuple(width.name for width in bench.space.widths)
    assert (nothing.macs_share_low, nothing.macs_share_high) == (None, None)
    all_ = estimates.estimate(bench.ctx, request(bench)).reach
    assert (all_.widths_varied, all_.widths_missing, all_.blocks_missing) == (2, (), ())


@pytest.mark.parametrize("networks", [6, 20, 60])
def test_held_out_are_as_many_as_a_training_will_hold_out(bench: Bench, networks: int) -> None:
    test_set = estimates.estimate(bench.ctx, request(bench, networks=networks)).judging
    campaigns.create(bench.ctx, request(bench, networks=networks))
    measure_all(bench)
    dataset.draw_missing_sides(bench.ctx, bench.target)
    with bench.ctx.db.read() as session:
        sides = SideRepository(session).of_epoch(bench.target, 1)
    for kind, count in (("network", test_set.networks), ("block", test_set.blocks)):
        assert count == sum(out for of, out in sides.values() if of == kind)
    assert test_set.enough == (test_set.networks >= 10) == (networks == 60)
    assert ("too few" in test_set.detail) != test_set.enough
    again = estimates.estimate(bench.ctx, request(bench, networks=networks)).judging
    assert again == test_set


def test_it_says_what_the_campaign_would_wait_for(bench: Bench) -> None:
    def start() -> Any:
        return estimates.estimate(bench.ctx, request(bench)).start

    assert (start().at_once, start().jobs_before) == (True, 0)
    campaigns.create(bench.ctx, request(bench, blocks=48, networks=0))
    assert start().model_dump(exclude={"detail"}) == {
        "at_once": False,
        "state": "idle",
        "jobs_before": 3,
        "workloads_before": 48,
    }
    condition = ConditionReport(target=bench.target, state="paused", reason="battery at 12%")
    conditions.report(bench.ctx, bench.agent, condition)
    assert not start().at_once
    assert start().detail == "it would wait: the target is paused: battery at 12%"


def test_what_a_user_waits_for_passes_what_was_drawn(bench: Bench) -> None:
    campaigns.create(bench.ctx, request(bench))
    planned = PlannedWorkload(kind="network", draw="asked", workload=bench.workload(stem=5))
    estimate = estimates.estimate(bench.ctx, request(bench, workloads=(planned,)))
    assert (estimate.samples, estimate.start.jobs_before) == (1, 0)
    assert estimate.start.at_once


def test_it_refuses_what_a_campaign_would_refuse(bench: Bench) -> None:
    with pytest.raises(NotFound, match="target 'nobody'"):
        estimates.estimate(bench.ctx, NewCampaign(target="nobody", space=bench.space.hash))
    with pytest.raises(NotFound, match="space"):
        estimates.estimate(bench.ctx, NewCampaign(target=bench.target, space="0" * 64))
    wrong = PlannedWorkload(kind="network", workload=bench.workload(stem=17))
    with pytest.raises(BadRequest):
        estimates.estimate(bench.ctx, request(bench, workloads=(wrong,)))
    batch = SampleBatch(target="table", samples=(bench.sample(),))
    ingest.store(bench.ctx, batch, create=True)
    with pytest.raises(Conflict, match="imported"):
        estimates.estimate(bench.ctx, NewCampaign(target="table", space=bench.space.hash))


def test_it_is_there_over_http(bench: Bench) -> None:
    with TestClient(Application(bench.ctx)) as http:
        body = request(bench).model_dump(mode="json")
        answer = http.post("/v1/campaigns:estimate", json=body)
        assert answer.status_code == 200
        assert answer.json()["samples"] == 54
        assert http.get("/v1/campaigns").json()["items"] == []
