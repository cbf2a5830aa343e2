"""Networks that did not fit in a device's memory: kept as results, once for an epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from sqlalchemy import select

from lpnet.schemas.campaign import (
    Campaign,
    Completion,
    ItemFailure,
    Lease,
    LeasedItem,
    NewCampaign,
    PlannedWorkload,
)
from lpnet.schemas.memory import MemoryLimits
from lpnet.space.memory import MIB
from lpnet_service.db.rows import MemoryFailureRow, TargetRow
from lpnet_service.services.measuring import campaigns, leasing
from lpnet_service.services.reading import table
from lpnet_service.services.shared import targets
from lpnet_service.worker import dataset

Bench = Any


def start_campaign(bench: Bench, *stems: int) -> Campaign:
    planned = tuple(
        PlannedWorkload(kind="network", workload=bench.workload(stem=stem)) for stem in stems
    )
    new = NewCampaign(target=bench.target, space=bench.space.hash, workloads=planned)
    return campaigns.create(bench.ctx, new)


def leases(bench: Bench) -> list[Lease]:
    leases = []
    while (lease := leasing.claim(bench.ctx, bench.agent, [bench.target])) is not None:
        leases.append(lease)
    return leases


def stem(item: LeasedItem) -> int:
    return item.workload.widths["stem"]


def measure(bench: Bench, unfit: Sequence[int], **fields_: Any) -> None:
    """Every job there is; networks whose stem is of `unfit` fail."""
    fields_ = {"out_of_memory": True} | fields_
    for lease in leases(bench):
        fine = [item for item in lease.items if stem(item) not in unfit]
        failing = [item for item in lease.items if stem(item) in unfit]
        samples = tuple(
            bench.sample(1.0, id=item.id, workload=item.workload.model_dump()) for item in fine
        )
        failures = tuple(
            ItemFailure(item=i.id, reason="it does not fit", **fields_) for i in failing
        )
        completion = Completion(samples=samples, failures=failures)
        bench.complete(lease.token, completion)
        bench.complete(lease.token, completion)  # repeating it is harmless


def kept(bench: Bench) -> list[tuple[int, str]]:
    with bench.ctx.db.read() as session:
        rows = session.scalars(select(MemoryFailureRow).order_by(MemoryFailureRow.at)).all()
    return [(row.epoch, row.target) for row in rows]


def mib(bench: Bench, **widths: int) -> float:
    need_mib: float = bench.space.memory(bench.widths(**widths)) / MIB
    return need_mib


def test_what_did_not_fit_is_a_failure_and_a_result(bench: Bench) -> None:
    campaign = start_campaign(bench, 4, 8, 12, 16)
    assert targets.get_target(bench.ctx, bench.target).memory is None
    measure(bench, unfit=[12, 16])
    after = campaigns.get(bench.ctx, campaign.id)
    assert (after.state, after.measured, after.failed) == ("done", 2, 2)
    assert "it does not fit" in after.failures[0]
    expected = MemoryLimits(fits_mib=mib(bench, stem=8), fails_mib=mib(bench, stem=12))
    assert targets.get_target(bench.ctx, bench.target).memory == expected
    (listed,) = targets.list_targets(bench.ctx)
    assert listed.memory == expected
    assert dataset.load(bench.ctx, bench.target).memory == expected
    page = table.page(bench.ctx, bench.target, {}, sort="latency_ms", after=None, limit=9)
    assert len(page.items) == 2


def test_it_is_kept_once_for_an_epoch(bench: Bench) -> None:
    for _ in range(2):
        start_campaign(bench, 8, 16)
        measure(bench, unfit=[16])
    assert kept(bench) == [(1, bench.target)]
    with bench.ctx.db.write() as session:
        session.get_one(TargetRow, bench.target).epoch = 2
    assert targets.get_target(bench.ctx, bench.target).memory is None
    start_campaign(bench, 16)
    measure(bench, unfit=[16])
    assert sorted(kept(bench)) == [(1, bench.target), (2, bench.target)]
    limits = targets.get_target(bench.ctx, bench.target).memory
    assert limits == MemoryLimits(fails_mib=mib(bench, stem=16))


def test_other_failures_and_those_of_older_agents_say_nothing_of_memory(bench: Bench) -> None:
    old = ItemFailure.model_validate({"item": "item-1", "reason": "it crashed"})
    assert not old.out_of_memory
    start_campaign(bench, 8, 16)
    measure(bench, unfit=[16], out_of_memory=False)
    assert kept(bench) == []
    assert targets.get_target(bench.ctx, bench.target).memory is None


def test_what_was_measured_too_does_fit(bench: Bench) -> None:
    start_campaign(bench, 4, 16)
    measure(bench, unfit=[4, 16])
    assert dataset.load(bench.ctx, bench.target).memory == MemoryLimits(
        fails_mib=mib(bench, stem=4)
    )
    start_campaign(bench, 4)
    measure(bench, unfit=[])
    expected = MemoryLimits(fits_mib=mib(bench, stem=4), fails_mib=mib(bench, stem=16))
    assert dataset.load(bench.ctx, bench.target).memory == expected


@pytest.mark.parametrize(("precision", "element_bytes"), [("fp16", 2), ("int8", 1), (None, 4)])
def test_a_number_takes_what_the_targets_precision_says(
    bench: Bench, precision: str | None, element_bytes: int
) -> None:
    with bench.ctx.db.write() as session:
        row = session.get_one(TargetRow, bench.target)
        spec = targets.get_target(bench.ctx, bench.target).spec
        row.spec_json = spec.model_copy(update={"precision": precision}).model_dump_json()
    start_campaign(bench, 16)
    measure(bench, unfit=[16])
    limits = targets.get_target(bench.ctx, bench.target).memory
    fails_mib = mib(bench, stem=16) * element_bytes / 4
    assert limits == MemoryLimits(fails_mib=fails_mib, element_bytes=element_bytes)
