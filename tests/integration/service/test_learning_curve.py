"""The learning curve: what was learned from how much, in the current epoch."""

from __future__ import annotations

from typing import Any

from fastapi.testclient import TestClient
from tests.harness.published import publish, report

from lpnet.schemas.learning import LearningCurve
from lpnet.schemas.lpnet import NewStudy
from lpnet.schemas.report import TrainedOn
from lpnet.schemas.sample import SampleBatch
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.services.learning import runs, trainings
from lpnet_service.services.measuring import ingest

Bench = Any


def learned(api: TestClient, bench: Bench) -> LearningCurve:
    answer = api.get(f"/v1/targets/{bench.target}/studies")
    assert answer.status_code == 200, answer.text
    return LearningCurve.model_validate(answer.json())


def study(bench: Bench, networks: int, epoch: int = 1) -> str:
    """A study that is done, on so many networks."""
    samples = [bench.sample(workload=bench.workload(stem=n)) for n in range(1, 9)]
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=tuple(samples)))
    study = trainings.study(bench.ctx, bench.target, NewStudy(samples=2, seed=networks))
    run = runs.claim(bench.ctx)
    assert run is not None
    changed = report(bench, 9.0 / networks, noise=0.7).model_copy(
        update={"trained_on": TrainedOn(block=0, network=networks), "epoch": epoch}
    )
    runs.finish_study(bench.ctx, run, changed)
    bench.clock.advance(60)
    return study.id


def test_studies_and_versions_stand_in_one_curve(bench: Bench, api: TestClient) -> None:
    assert learned(api, bench).points == ()
    first = study(bench, 3)
    version = publish(bench)
    bench.clock.advance(60)
    second = study(bench, 9)
    curve = learned(api, bench)
    assert (curve.target, curve.epoch) == (bench.target, 1)
    assert [(point.kind, point.id) for point in curve.points] == [
        ("study", first),
        ("version", version.id),
        ("study", second),
    ]
    oldest, middle, last = curve.points
    assert (middle.version, middle.active) == (1, True)
    assert (oldest.version, oldest.active) == (None, False)
    assert [point.trained_on.network for point in (oldest, last)] == [3, 9]
    errors = [point.held_out.network for point in (oldest, last)]
    assert [error.mape_pct for error in errors if error] == [3.0, 1.0]
    assert last.noise_floor_pct == 0.7
    assert last.finished_at > oldest.finished_at


def test_unfinished_ones_and_other_epochs_are_left_out(bench: Bench, api: TestClient) -> None:
    study(bench, 3)
    publish(bench)
    trainings.study(bench.ctx, bench.target, NewStudy(samples=2))
    assert len(learned(api, bench).points) == 2
    with bench.ctx.db.write() as session:
        row = DeviceRepository(session).lock_target(bench.target)
        assert row is not None
        row.open_epoch(bench.clock.now())
    assert learned(api, bench).points == ()


def test_an_unknown_target_has_none(api: TestClient) -> None:
    assert api.get("/v1/targets/nobody/studies").status_code == 404
