"""Runs of the worker: done, failed, cancelled, interrupted, taken over."""

from __future__ import annotations

import errno
from collections.abc import Callable
from threading import Event
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import event

from lpnet.schemas.lpnet import NewStudy, NewTraining, Training
from lpnet.schemas.sample import SampleBatch
from lpnet_service.errors import BadRequest, DiskFull, LeaseLost, NoSamples, NotFound
from lpnet_service.services.learning import runs, trainings
from lpnet_service.services.learning.runs import ClaimedRun
from lpnet_service.services.measuring import ingest
from lpnet_service.services.shared.context import Context, context
from lpnet_service.worker import loop
from lpnet_service.worker.loop import Stopped, tick

Bench = Any
Progress = Callable[[float, str], None]


@pytest.fixture
def training(bench: Bench) -> Training:
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=(bench.sample(),)))
    return trainings.start(bench.ctx, bench.target, NewTraining(seed=7))


def state(bench: Bench, training: Training) -> Training:
    return trainings.get(bench.ctx, training.id)


def quick(bench: Bench) -> Context:
    """The same service as a worker sees it, looking after its lease every few milliseconds."""
    settings = bench.ctx.settings.model_copy(update={"run_lease_s": 0.02})
    return context(settings, db=bench.ctx.db, clock=bench.clock)


def test_a_training_waits_for_the_worker(bench: Bench, training: Training) -> None:
    assert (training.state, training.progress, training.kind) == ("queued", 0.0, "training")
    assert state(bench, training) == training


def test_there_must_be_something_to_train_on(bench: Bench) -> None:
    with pytest.raises(NoSamples):
        trainings.start(bench.ctx, bench.target, NewTraining())
    with pytest.raises(NotFound):
        trainings.study(bench.ctx, "nobody", NewStudy(samples=2))
    sentinel, disturbed = bench.sample(sentinel="memory"), bench.sample(disturbed=True)
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=(sentinel, disturbed)))
    with pytest.raises(NoSamples):
        trainings.start(bench.ctx, bench.target, NewTraining())


def test_a_study_needs_workloads_to_judge_on(bench: Bench) -> None:
    samples = [bench.sample(workload=bench.workload(stem=n)) for n in (4, 4, 5, 6)]
    samples.append(bench.sample(workload=bench.workload(stem=7), disturbed=True))
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=tuple(samples)))
    with pytest.raises(BadRequest, match=r"3 samples needs more .*'desk-cpu' has 3") as caught:
        trainings.study(bench.ctx, bench.target, NewStudy(samples=3))
    assert [fault.field for fault in caught.value.errors] == ["samples"]
    assert trainings.study(bench.ctx, bench.target, NewStudy(samples=2)).state == "queued"


def test_a_negative_seed_is_refused(bench: Bench, api: TestClient) -> None:
    hash_ = bench.space.hash
    for path, body in [
        (f"/v1/targets/{bench.target}/lpnets", {}),
        (f"/v1/targets/{bench.target}/studies", {"samples": 2}),
        ("/v1/campaigns", {"target": bench.target, "space": hash_}),
    ]:
        answer = api.post(path, json=body | {"seed": -1})
        assert answer.status_code == 422
        assert [fault["field"] for fault in answer.json()["errors"]] == ["seed"]


def test_a_run_that_raises_has_failed_with_its_reason(bench: Bench, training: Training) -> None:
    def broken(ctx: Context, run: ClaimedRun, progress: Progress) -> None:
        raise ValueError("two samples are too few")

    assert tick(bench.ctx, {"training": broken})
    after = state(bench, training)
    assert (after.state, after.error) == ("failed", "ValueError: two samples are too few")
    assert after.finished_at == bench.clock.now()
    assert not tick(bench.ctx, {"training": broken})


def test_progress_is_published_while_a_run_works(bench: Bench, training: Training) -> None:
    def slow(ctx: Context, run: ClaimedRun, progress: Progress) -> None:
        progress(0.25, "fitting")
        while state(bench, training).stage != "fitting":
            pass
        assert state(bench, training).progress == 0.25
        assert state(bench, training).state == "running"
        raise ValueError("enough")

    tick(quick(bench), {"training": slow})
    assert state(bench, training).error == "ValueError: enough"


def test_a_cancelled_run_stops_and_publishes_nothing(bench: Bench, training: Training) -> None:
    stopped = Event()

    def endless(ctx: Context, run: ClaimedRun, progress: Progress) -> None:
        trainings.cancel(bench.ctx, training.id)
        try:
            while True:
                progress(0.5, "fitting")
        except LeaseLost:
            stopped.set()
            raise

    assert tick(quick(bench), {"training": endless})
    assert stopped.is_set()
    assert state(bench, training).state == "cancelled"
    assert trainings.cancel(bench.ctx, training.id).state == "cancelled"


def test_an_interrupted_run_goes_back_to_the_queue(bench: Bench, training: Training) -> None:
    def interrupted(ctx: Context, run: ClaimedRun, progress: Progress) -> None:
        raise Stopped

    for _ in range(5):
        with pytest.raises(Stopped):
            tick(bench.ctx, {"training": interrupted})
        assert state(bench, training).state == "queued"


def test_a_dead_workers_run_is_taken_over(bench: Bench, training: Training) -> None:
    dead = runs.claim(bench.ctx)
    assert dead is not None
    assert runs.claim(bench.ctx) is None
    bench.clock.advance(31)
    heir = runs.claim(bench.ctx)
    assert heir is not None
    assert (heir.id, heir.params_json) == (training.id, '{"seed":7}')
    with pytest.raises(LeaseLost):
        runs.extend_lease(bench.ctx, dead, 0.5, "fitting")
    with pytest.raises(LeaseLost):
        runs.fail(bench.ctx, dead, "late")
    runs.extend_lease(bench.ctx, heir, 0.5, "fitting")
    assert state(bench, training).progress == 0.5


def test_a_run_that_kills_its_workers_is_given_up(bench: Bench, training: Training) -> None:
    for _ in range(3):
        assert runs.claim(bench.ctx) is not None
        bench.clock.advance(31)
    assert not tick(bench.ctx, {})
    after = state(bench, training)
    assert (after.state, after.error) == ("failed", "its worker died 3 times")


def test_without_a_worker_such_a_run_ends_when_it_is_looked_at(
    bench: Bench, training: Training, api: TestClient
) -> None:
    for _ in range(3):
        assert runs.claim(bench.ctx) is not None
        bench.clock.advance(31)
    assert api.get(f"/v1/trainings/{training.id}").json()["state"] == "failed"


def test_a_plan_is_not_shown_as_a_training(bench: Bench) -> None:
    with pytest.raises(NotFound):
        trainings.get(bench.ctx, "run-" + "0" * 24)
    with pytest.raises(NotFound):
        trainings.cancel(bench.ctx, "run-" + "0" * 24)


@pytest.mark.parametrize("error", [DiskFull(), OSError(errno.ENOSPC, "no space left")])
def test_a_full_disk_is_waited_out_and_is_no_attempt(
    bench: Bench, training: Training, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(loop, "_RETRY_S", 0.0)
    without_room = 0

    def begin(_connection: object) -> None:
        nonlocal without_room
        if without_room:
            without_room -= 1
            raise DiskFull

    def fill(_ctx: Context, _run: ClaimedRun, _progress: Progress) -> None:
        nonlocal without_room
        without_room = 3
        raise error

    event.listen(bench.ctx.db.engine, "begin", begin)
    for _ in range(5):
        with pytest.raises(DiskFull):
            tick(bench.ctx, {"training": fill})
        assert without_room == 0
        assert state(bench, training).state == "queued"

    def finish(ctx: Context, run: ClaimedRun, _progress: Progress) -> None:
        with ctx.db.write() as session:
            runs.finish(session, ctx, runs.lock_claimed(session, run), None, None)

    assert tick(bench.ctx, {"training": finish})
    assert state(bench, training).state == "done"
