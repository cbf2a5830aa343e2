"""The worker at its real work: trainings, studies and plans of pruned networks."""

from __future__ import annotations

from typing import Any

import pytest

from lpnet.model.files import load
from lpnet.schemas.campaign import Completion, NewCampaign
from lpnet.schemas.lpnet import NewStudy, NewTraining, PredictionRequest
from lpnet.schemas.workload import SpaceWorkload
from lpnet.space.table import OpTable
from lpnet_service.services.learning import lpnets, trainings
from lpnet_service.services.measuring import campaigns, leasing
from lpnet_service.services.reading import predictions, table
from lpnet_service.worker import dataset
from lpnet_service.worker.loop import tick
from lpnet_service.worker.work import KINDS

Bench = Any


@pytest.fixture(autouse=True)
def _quick_training() -> None:
    """Training is the subject here: LPNets have their full size."""


def simulated_ms(bench: Bench, workload: SpaceWorkload) -> float:
    """A device whose time is one microsecond a kernel and a nanosecond for each 10 MACs."""
    whole = bench.space
    part = whole if workload.block is None else whole.block(workload.block)
    ops = OpTable.from_ops(part.ops(workload.widths))
    return float(0.001 * len(ops.rows) + 1e-7 * float(ops.macs(ops.b_in[:0])))


def measure_all(bench: Bench, session: str = "a") -> None:
    while (lease := leasing.claim(bench.ctx, bench.agent, [bench.target])) is not None:
        completion = Completion(
            samples=tuple(
                bench.sample(
                    simulated_ms(bench, item.workload),
                    id=item.id,
                    kind=item.kind,
                    draw=item.draw,
                    workload=item.workload.model_dump(),
                    session="fresh" if lease.fresh_session else session,
                )
                for item in lease.items
            )
        )
        bench.complete(lease.token, completion)
        # Repeats in sessions less than a minute apart do not count for the noise floor.
        bench.clock.advance(60)


@pytest.fixture(scope="module")
def measured(shared_bench: Bench) -> Bench:
    """A bench with a finished campaign, the networks that a pruner chose included."""
    bench = shared_bench
    new = NewCampaign(
        target=bench.target, space=bench.space.hash, blocks=24, networks=22, pruned=4, repeats=12
    )
    campaign = campaigns.create(bench.ctx, new)
    measure_all(bench)
    assert tick(bench.ctx, KINDS)
    records = dataset.load(bench.ctx, bench.target).records
    assert not any(record.held_out for record in records)
    measure_all(bench)
    after = campaigns.get(bench.ctx, campaign.id)
    assert (after.state, after.measured + after.failed) == ("done", 62), after.failures
    return bench


def test_a_pruner_chooses_faster_networks(measured: Bench) -> None:
    records = dataset.load(measured.ctx, measured.target).records
    pruned = [record for record in records if record.draw == "pruned"]
    dense = simulated_ms(measured, SpaceWorkload.model_validate(measured.workload()))
    assert pruned
    assert all(record.latency_ms < dense for record in pruned)


def test_what_was_measured_is_trained_on_published_and_predicted(measured: Bench) -> None:
    bench = measured
    training = trainings.start(bench.ctx, bench.target, NewTraining(seed=1))
    assert tick(bench.ctx, KINDS)
    done = trainings.get(bench.ctx, training.id)
    assert done.state == "done", done.error
    assert done.report is not None
    assert done.report.lpnet == done.lpnet
    assert done.report.noise_floor_pct == pytest.approx(0.0)
    assert done.report.noise_floor_low_pct == done.report.noise_floor_high_pct == 0.0
    assert done.report.held_out.network is not None
    assert done.report.held_out.network.n >= 10
    assert done.report.held_out.network_pruned is not None
    (info,) = lpnets.of_target(bench.ctx, bench.target)
    assert info.active
    assert load(lpnets.weights(bench.ctx, info.id)).header.target == bench.target
    _predicts(bench)
    rows = table.page(bench.ctx, bench.target, {}, sort="measured_at", after=None, limit=500)
    assert {row.held_out for row in rows.items} == {True, False}
    assert all(row.predicted_ms is not None for row in rows.items)
    assert not tick(bench.ctx, KINDS)


def _predicts(bench: Bench) -> None:
    request = PredictionRequest(
        target=bench.target,
        space=bench.space.hash,
        widths=(bench.widths(), bench.widths(stem=8)),
        gradient=True,
    )
    answer = predictions.predict(bench.ctx, request)
    for prediction, widths in zip(answer.predictions, request.widths, strict=True):
        workload = SpaceWorkload.model_validate(bench.workload() | {"widths": widths})
        assert prediction.latency_ms == pytest.approx(simulated_ms(bench, workload), rel=0.25)
        assert prediction.low_ms < prediction.latency_ms < prediction.high_ms


def test_a_study_leaves_nothing_but_its_report(measured: Bench) -> None:
    before = lpnets.of_target(measured.ctx, measured.target)
    study = trainings.study(measured.ctx, measured.target, NewStudy(samples=12, seed=2))
    assert tick(measured.ctx, KINDS)
    done = trainings.get(measured.ctx, study.id)
    assert done.state == "done", done.error
    assert done.lpnet is None
    assert done.report is not None
    assert done.report.lpnet is None
    assert lpnets.of_target(measured.ctx, measured.target) == before
