"""Workloads that a fit does not explain are measured again, and the faster session counts."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from lpnet.schemas.campaign import Campaign, Completion, Lease, NewCampaign, PlannedWorkload
from lpnet.schemas.sample import StoredSample
from lpnet.schemas.workload import SpaceWorkload, workload_key
from lpnet.space.table import OpTable
from lpnet_service.db.rows import DoubtRow, WorkloadRow
from lpnet_service.services.learning import runs
from lpnet_service.services.measuring import campaigns, leasing
from lpnet_service.services.measuring.doubts import DoubtedWorkload
from lpnet_service.services.reading import samples
from lpnet_service.worker import dataset
from lpnet_service.worker.loop import tick
from lpnet_service.worker.work import KINDS

Bench = Any


def start(bench: Bench, **fields: int) -> Campaign:
    values = {"blocks": 0, "networks": 3, "pruned": 1, "repeats": 0} | fields
    new = NewCampaign(target=bench.target, space=bench.space.hash, **values)
    return campaigns.create(bench.ctx, new)


def measure(bench: Bench, *latencies: float, session: str = "first") -> Lease:
    """Complete the next job with these latencies, or with 1 ms for each."""
    lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
    assert lease is not None
    measured = tuple(
        bench.sample(
            ms,
            id=item.id,
            kind=item.kind,
            draw=item.draw,
            workload=item.workload.model_dump(),
            session=session,
            measured_at=bench.clock.now(),
        )
        for item, ms in zip(lease.items, latencies or [1.0] * len(lease.items), strict=True)
    )
    bench.complete(lease.token, Completion(samples=measured))
    bench.clock.advance(100)
    return lease


def doubt(bench: Bench, planned: PlannedWorkload) -> None:
    """End the plan of the campaign: no pruned network, and this workload is doubted."""
    run = runs.claim(bench.ctx)
    assert run is not None
    each = DoubtedWorkload(planned, epoch=1, measured_ms=1.45, predicted_ms=1.02)
    runs.finish_plan(bench.ctx, run, [], ["no network"], [each])


def doubt_first(bench: Bench, first_ms: float, again_ms: float) -> tuple[Campaign, str]:
    """A campaign whose first workload is doubted and measured again, and the key of that."""
    campaign = start(bench)
    planned = measure(bench, first_ms, 1.0, 1.0).items[0]
    workload = PlannedWorkload(kind=planned.kind, workload=planned.workload, draw=planned.draw)
    doubt(bench, workload)
    again = measure(bench, again_ms, session="second")
    assert again.fresh_session
    assert [item.workload for item in again.items] == [planned.workload]
    return campaigns.get(bench.ctx, campaign.id), workload_key(planned.workload)


def stored(bench: Bench, key: str) -> list[StoredSample]:
    page = samples.page(bench.ctx, {"target": bench.target}, after=None, limit=100)
    return [sample for sample in page.items if workload_key(sample.workload) == key]


def row(bench: Bench, key: str) -> WorkloadRow:
    with bench.ctx.db.read() as session:
        found: WorkloadRow = session.get_one(WorkloadRow, (bench.target, 1, key))
    return found


def outcome(bench: Bench) -> str | None:
    with bench.ctx.db.read() as session:
        row: DoubtRow = session.scalars(select(DoubtRow)).one()
    return row.outcome


def test_a_faster_session_replaces_the_first_and_both_are_kept(bench: Bench) -> None:
    campaign, key = doubt_first(bench, 1.45, 1.0)
    assert (campaign.state, campaign.total, campaign.measured) == ("done", 5, 4)
    assert campaign.disturbed == 1
    first, again = stored(bench, key)
    assert (first.latency_ms, first.disturbed) == (1.45, True)
    assert first.reasons == (
        "another session measured 1 ms, after a fit without this workload expected 1.02 ms",
    )
    assert (again.latency_ms, again.disturbed) == (1.0, False)
    assert row(bench, key).latency_ms == 1.0
    records = [r for r in dataset.load(bench.ctx, bench.target).records if r.key == key]
    assert [record.latency_ms for record in records] == [1.0]
    assert outcome(bench) == "replaced"
    assert leasing.claim(bench.ctx, bench.agent, [bench.target]) is None


def test_a_session_that_agrees_confirms_the_first(bench: Bench) -> None:
    campaign, key = doubt_first(bench, 1.45, 1.43)
    assert (campaign.state, campaign.disturbed) == ("done", 0)
    assert [sample.disturbed for sample in stored(bench, key)] == [False, False]
    assert row(bench, key).latency_ms == pytest.approx(1.44)
    assert outcome(bench) == "confirmed"


def test_a_slower_session_is_left_out_and_not_measured_again(bench: Bench) -> None:
    campaign, key = doubt_first(bench, 1.45, 1.9)
    assert (campaign.state, campaign.disturbed) == ("done", 1)
    assert [sample.disturbed for sample in stored(bench, key)] == [False, True]
    assert row(bench, key).latency_ms == 1.45
    assert outcome(bench) == "kept"
    bench.clock.advance(1000)
    assert leasing.claim(bench.ctx, bench.agent, [bench.target]) is None


def test_a_doubted_workload_says_nothing_about_the_noise(bench: Bench) -> None:
    """It was chosen for its latency: the spread of its sessions is not that of others."""
    _, key = doubt_first(bench, 1.45, 1.43)
    assert row(bench, key).spread is None


def test_the_spread_of_a_repeated_workload_stays_when_it_is_doubted(bench: Bench) -> None:
    start(bench, networks=1, repeats=1)
    planned = measure(bench, 1.4).items[0]
    bench.clock.advance(bench.ctx.settings.repeat_pause_s)
    measure(bench, 1.0, session="second")
    key = workload_key(planned.workload)
    spread = row(bench, key).spread
    assert spread == pytest.approx(0.4 / 1.2)
    doubt(bench, PlannedWorkload(kind=planned.kind, workload=planned.workload))
    measure(bench, 1.0, session="third")
    assert outcome(bench) == "replaced"
    assert [sample.disturbed for sample in stored(bench, key)] == [True, False, False]
    assert row(bench, key).spread == spread


def simulated_ms(bench: Bench, workload: SpaceWorkload) -> float:
    whole = bench.space
    part = whole if workload.block is None else whole.block(workload.block)
    ops = OpTable.from_ops(part.ops(workload.widths))
    return float(0.001 * len(ops.rows) + 1e-7 * float(ops.macs(ops.b_in[:0])))


def test_the_worker_doubts_what_is_much_slower_than_the_others(lite_bench: Bench) -> None:
    bench = lite_bench
    campaign = start(bench, networks=70, pruned=1)
    slow = None
    while campaigns.get(bench.ctx, campaign.id).measured < 70:
        lease = leasing.claim(bench.ctx, bench.agent, [bench.target])
        assert lease is not None
        measured = []
        for item in lease.items:
            if slow is None and 6 < item.workload.widths["stem"] < 12:
                slow = item.workload
            ms = simulated_ms(bench, item.workload) * (4.0 if item.workload == slow else 1.0)
            fields = {"kind": item.kind, "workload": item.workload.model_dump()}
            measured.append(bench.sample(ms, id=item.id, **fields))
        bench.complete(lease.token, Completion(samples=tuple(measured)))
    assert tick(bench.ctx, KINDS)
    again = [
        item.workload
        for lease in iter(lambda: leasing.claim(bench.ctx, bench.agent, [bench.target]), None)
        if lease.fresh_session
        for item in lease.items
    ]
    assert slow in again
    assert len(again) <= 2
