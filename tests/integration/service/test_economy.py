"""Measuring less: blocks that are chosen, and targets that begin with others."""

from __future__ import annotations

from typing import Any

import pytest

from lpnet.schemas.campaign import Completion, NewCampaign
from lpnet.schemas.lpnet import NewTraining
from lpnet.schemas.sample import Sample, SampleBatch
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.sampling import plan
from lpnet.space.table import OpTable
from lpnet_service.repositories.sides import SideRepository
from lpnet_service.services.learning import trainings
from lpnet_service.services.measuring import campaigns, ingest, leasing
from lpnet_service.services.measuring.planning import MIN_RANDOM_BLOCKS
from lpnet_service.worker import dataset, sources
from lpnet_service.worker.loop import tick
from lpnet_service.worker.work import KINDS

Bench = Any
CHOSEN, NETWORKS, PRUNED = 6, 4, 1


def simulated_ms(bench: Bench, workload: SpaceWorkload) -> float:
    whole = bench.space
    part = whole if workload.block is None else whole.block(workload.block)
    ops = OpTable.from_ops(part.ops(workload.widths))
    return float(0.001 * len(ops.rows) + 1e-7 * float(ops.macs(ops.b_in[:0])))


def samples(bench: Bench, count: int, *, times: float, seed: int) -> tuple[Sample, ...]:
    """Blocks of a device that is so many times as slow."""
    planned = plan(bench.space, blocks=count, networks=0, seed=seed)
    return tuple(
        bench.sample(
            times * simulated_ms(bench, own.workload),
            id=f"sample-{seed:04}-{index:04}",
            kind=own.kind,
            draw=own.draw,
            workload=own.workload.model_dump(),
        )
        for index, own in enumerate(planned)
    )


def measure_all(bench: Bench) -> None:
    while (lease := leasing.claim(bench.ctx, bench.agent, [bench.target])) is not None:
        measured = tuple(
            bench.sample(
                simulated_ms(bench, item.workload),
                id=item.id,
                kind=item.kind,
                draw=item.draw,
                workload=item.workload.model_dump(),
            )
            for item in lease.items
        )
        bench.complete(lease.token, Completion(samples=measured))


def test_blocks_beyond_the_random_ones_are_chosen_and_never_held_out(lite_bench: Bench) -> None:
    bench = lite_bench
    new = NewCampaign(
        target=bench.target,
        space=bench.space.hash,
        blocks=MIN_RANDOM_BLOCKS + CHOSEN,
        networks=NETWORKS,
        pruned=PRUNED,
        repeats=0,
    )
    campaign = campaigns.create(bench.ctx, new)
    measure_all(bench)
    assert tick(bench.ctx, KINDS)
    measure_all(bench)
    after = campaigns.get(bench.ctx, campaign.id)
    assert (after.state, after.measured) == ("done", campaign.total), after.failures
    records = dataset.load(bench.ctx, bench.target).records
    chosen = {record.key for record in records if record.draw == "chosen"}
    assert len(chosen) == CHOSEN
    assert chosen.isdisjoint(record.key for record in records if record.draw != "chosen")
    dataset.draw_missing_sides(bench.ctx, bench.target)
    with bench.ctx.db.read() as session:
        sides = SideRepository(session).of_epoch(bench.target, 1)
    assert chosen.isdisjoint(sides)
    assert any(is_held_out for _, is_held_out in sides.values())


@pytest.fixture
def two_targets(lite_bench: Bench) -> Bench:
    """Imported: `known` with many samples, `new` with few."""
    for name, count, times in (("known", 60, 1.0), ("new", 11, 3.0)):
        measured = samples(lite_bench, count, times=times, seed=count)
        batch = SampleBatch(target=name, samples=measured)
        ingest.store(lite_bench.ctx, batch, create=True)
    return lite_bench


def test_a_target_with_few_samples_begins_with_another(two_targets: Bench) -> None:
    ctx = two_targets.ctx
    (source,) = sources.closest(ctx, dataset.load(ctx, "new"))
    assert source.target == "known"
    # One that has hardly any samples helps no other.
    assert sources.closest(ctx, dataset.load(ctx, "known")) == []
    training = trainings.start(ctx, "new", NewTraining(seed=0))
    assert tick(ctx, KINDS)
    done = trainings.get(ctx, training.id)
    assert done.report is not None, done.error
    assert done.report.transferred_from == "known"
