"""A target whose newer samples disagree with its LPNet is flagged, and trained again."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from tests.harness.published import publish, untrained_lpnet

from lpnet.cli import show
from lpnet.model.header import Calibration
from lpnet.schemas.sample import SampleBatch
from lpnet.schemas.workload import SpaceWorkload, workload_key
from lpnet_service.db.rows import SampleRow
from lpnet_service.repositories.sides import SideRepository
from lpnet_service.repositories.tallies import TallyRepository
from lpnet_service.services.learning import drift, lpnets, runs
from lpnet_service.services.measuring import ingest
from lpnet_service.services.reading.predicted import predicted_ms, predicted_spread
from lpnet_service.services.shared import targets
from lpnet_service.worker import drift_watch
from lpnet_service.worker.drift_watch import DriftWatch

Bench = Any
HELD_OUT = 24
CALIBRATION = Calibration(coverages=(0.5, 0.9), block=(1.0, 2.4), network=(1.0, 2.4))


@pytest.fixture
def lpnet(bench: Bench) -> str:
    model = untrained_lpnet(bench, calibration=CALIBRATION)
    id_ = publish(bench, model, stem=1).id
    bench.clock.advance(-3600)
    keys = add_samples(bench, id_, HELD_OUT, first=100, spreads=0.0, draw="mixed")
    with bench.ctx.db.write() as session:
        sides = {key: ("network", True) for key in keys}
        SideRepository(session).add(bench.target, 1, sides)
    bench.clock.advance(3600 - HELD_OUT)
    return id_


def add_samples(
    bench: Bench, lpnet: str, n: int, *, first: int, spreads: float, draw: str
) -> list[str]:
    """Samples a second apart, so many spreads of the prediction above it, with some scatter;
    returns the keys of their workloads."""
    row = lpnets.require_lpnet(bench.ctx, lpnet)
    rng = np.random.default_rng(first)
    samples, keys = [], list[str]()
    for index in range(first, first + n):
        bench.clock.advance(1)
        workload = bench.workload(stem=1 + index % 16, wide=1 + index % 24)
        parsed = SpaceWorkload.model_validate(workload)
        by_key = {workload_key(parsed): parsed}
        keys += by_key
        (spread,) = predicted_spread(bench.ctx, row, by_key).values()
        (ms,) = predicted_ms(bench.ctx, row, by_key).values()
        ratio = float(np.exp((spreads + rng.normal(0, 0.5)) * spread))
        now = bench.clock.now()
        samples.append(bench.sample(ms * ratio, workload=workload, draw=draw, measured_at=now))
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=tuple(samples)))
    return keys


def counts(bench: Bench) -> dict[int, int]:
    with bench.ctx.db.read() as session:
        return {row.epoch: row.samples for row in TallyRepository(session).list_epochs()}


def test_a_drift_begins_an_epoch_with_the_samples_since(bench: Bench, lpnet: str) -> None:
    bench.clock.advance(60)
    add_samples(bench, lpnet, 30, first=0, spreads=0.0, draw="mixed")
    watch = DriftWatch()
    watch.check(bench.ctx)
    target = targets.get_target(bench.ctx, bench.target)
    assert (target.epoch, target.drift) == (1, None)
    changed_at = bench.clock.now()
    add_samples(bench, lpnet, 14, first=30, spreads=4.0, draw="mixed")
    watch.check(bench.ctx)
    target = targets.get_target(bench.ctx, bench.target)
    assert target.epoch == 2
    assert target.lpnet == lpnet
    assert "times the latency that its LPNet predicts" in (target.drift or "")
    with bench.ctx.db.read() as session:
        row = targets.require_target(session, bench.target)
        assert abs(row.epoch_started_at - changed_at) <= timedelta(seconds=3)
    assert sum(counts(bench).values()) == 1 + HELD_OUT + 30 + 14
    assert counts(bench)[2] == pytest.approx(14, abs=2)
    # Too few for a training.
    assert runs.claim(bench.ctx) is None


def test_a_training_is_queued_once_the_epoch_has_enough(
    bench: Bench, lpnet: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drift, "MIN_WORKLOADS", 12)
    bench.clock.advance(60)
    add_samples(bench, lpnet, 20, first=0, spreads=-4.0, draw="random")
    drift_watch.check(bench.ctx, bench.target)
    run = runs.claim(bench.ctx)
    assert run is not None
    assert (run.kind, run.target) == ("training", bench.target)
    drift_watch.check(bench.ctx, bench.target)
    assert runs.claim(bench.ctx) is None


def test_the_flag_is_of_one_lpnet(
    bench: Bench, lpnet: str, capsys: pytest.CaptureFixture[str]
) -> None:
    bench.clock.advance(60)
    add_samples(bench, lpnet, 20, first=0, spreads=4.0, draw="mixed")
    drift_watch.check(bench.ctx, bench.target)
    target = targets.get_target(bench.ctx, bench.target)
    assert target.drift
    show.print_targets([target], {})
    assert "drifted: 1" in capsys.readouterr().out
    publish(bench, epoch=2, stem=2)
    assert targets.get_target(bench.ctx, bench.target).drift is None


@pytest.mark.parametrize("draw", ["pruned", "asked"])
def test_networks_that_someone_chose_are_no_evidence(bench: Bench, lpnet: str, draw: str) -> None:
    bench.clock.advance(60)
    add_samples(bench, lpnet, 20, first=0, spreads=4.0, draw=draw)
    drift_watch.check(bench.ctx, bench.target)
    assert targets.get_target(bench.ctx, bench.target).epoch == 1


def test_a_space_that_the_lpnet_was_not_trained_on_is_no_evidence(
    bench: Bench, lpnet: str
) -> None:
    # As if the samples that came before the LPNet had come after it.
    with bench.ctx.db.write() as session:
        for row in session.scalars(select(SampleRow)):
            row.taken_at = bench.clock.now() + timedelta(seconds=30)
    bench.clock.advance(60)
    add_samples(bench, lpnet, 20, first=0, spreads=4.0, draw="mixed")
    drift_watch.check(bench.ctx, bench.target)
    assert targets.get_target(bench.ctx, bench.target).epoch == 1


def test_another_lpnet_or_epoch_keeps_an_epoch_from_opening(bench: Bench, lpnet: str) -> None:
    row = lpnets.require_lpnet(bench.ctx, lpnet)
    publish(bench, stem=3)
    assert not drift.open_epoch(bench.ctx, row, bench.clock.now(), "late")
    assert targets.get_target(bench.ctx, bench.target).epoch == 1
