"""The training queue under real worker processes, which share it, die, and are asked to stop."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url
from tests.harness import postgres as postgres_
from tests.harness.processes import PATIENCE_S
from tests.harness.worker import DEADLY, ENDLESS, HELD, HELD_AT, PATIENT

from lpnet.schemas.lpnet import NewTraining, Training
from lpnet.schemas.sample import SampleBatch
from lpnet_service.clock import SystemClock
from lpnet_service.processes.supervisor import Role, Supervisor
from lpnet_service.services.learning import lpnets, trainings
from lpnet_service.services.measuring import ingest
from lpnet_service.services.shared.context import Context

Bench = Any
ROOT = Path(__file__).parents[3]


@pytest.fixture
def trainable(bench: Bench, url: str) -> Bench:
    """A bench with samples, on the clock that worker processes have."""
    samples = [
        bench.sample(1.0 + n / 100, workload=bench.workload(stem=4 + n % 12, wide=8 + n))
        for n in range(24)
    ]
    ingest.store(bench.ctx, SampleBatch(target=bench.target, samples=tuple(samples)))
    object.__setattr__(bench.ctx, "clock", SystemClock())
    return bench


def environment(url: str, lease_s: int = 2) -> dict[str, str]:
    """Of a worker whose runs are taken over soon after it died."""
    return {**os.environ, "LPNET_DATABASE_URL": url, "LPNET_RUN_LEASE_S": str(lease_s)}


def quick(url: str, folder: Path, lease_s: int = 2) -> Callable[[Role], subprocess.Popen[bytes]]:
    """Starts workers of tests.harness.worker."""
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "tests.harness.worker", str(folder)]
    return lambda _role: subprocess.Popen(
        command, env=environment(url, lease_s), cwd=ROOT, stderr=subprocess.DEVNULL
    )


@contextmanager
def workers(spawn: Callable[[Role], subprocess.Popen[bytes]], count: int) -> Iterator[Supervisor]:
    with Supervisor(spawn=spawn) as children:
        children.start(Role("worker", ()), count)
        yield children


def until(holds: Callable[[], bool], children: Supervisor | None = None) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        if children is not None:
            children.restart_ended()
        time.sleep(0.05)


def start(bench: Bench, *seeds: int) -> list[Training]:
    return [trainings.start(bench.ctx, bench.target, NewTraining(seed=seed)) for seed in seeds]


def states(ctx: Context, those: list[Training]) -> list[str]:
    return [trainings.get(ctx, training.id).state for training in those]


def test_workers_share_the_queue_and_do_each_run_once(
    trainable: Bench, url: str, tmp_path: Path
) -> None:
    runs = start(trainable, PATIENT, *range(29))
    folder = tmp_path / "begun"
    # No worker dies, and a crowded machine must not look like a death.
    with workers(quick(url, folder, lease_s=60), 3):
        until(lambda: set(states(trainable.ctx, runs)) == {"done"})
    started = [path.stem for path in folder.iterdir() if path.suffix != ".done"]
    assert sorted(started) == sorted(run.id for run in runs)
    assert len({path.suffix for path in folder.iterdir()} - {".done"}) > 1, "one did it all"


def test_a_run_that_kills_its_workers_fails_and_nothing_else_suffers(
    trainable: Bench, url: str, tmp_path: Path
) -> None:
    runs = start(trainable, 1, DEADLY, 2, 3, DEADLY, 4)
    folder = tmp_path / "begun"
    with workers(quick(url, folder), 2) as children:
        until(lambda: not {"queued", "running"} & set(states(trainable.ctx, runs)), children)
    assert states(trainable.ctx, runs) == ["done", "failed", "done", "done", "failed", "done"]
    for index, run in enumerate(runs):
        started = [path for path in folder.glob(f"{run.id}.*") if path.suffix != ".done"]
        deadly = index in (1, 4)
        assert len(started) == (3 if deadly else 1)
        training = trainings.get(trainable.ctx, run.id)
        assert training.error == ("its worker died 3 times" if deadly else None)


def test_a_cancelled_run_frees_its_worker_and_a_stopped_worker_its_run(
    trainable: Bench, url: str, tmp_path: Path
) -> None:
    first, second = start(trainable, ENDLESS, ENDLESS)
    spawn = quick(url, tmp_path / "begun")
    process = spawn(Role("worker", ()))
    try:
        until(lambda: trainings.get(trainable.ctx, first.id).stage == "for ever")
        assert trainings.get(trainable.ctx, first.id).progress == 0.5
        trainings.cancel(trainable.ctx, first.id)
        until(lambda: trainings.get(trainable.ctx, second.id).stage == "for ever")
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    finally:
        process.kill()
        process.wait()
    assert states(trainable.ctx, [first, second]) == ["cancelled", "queued"]


# A file does not go away.
@pytest.mark.parametrize("url", ["postgres"], indirect=True)
def test_a_worker_waits_for_a_database_that_went_away(
    trainable: Bench, url: str, tmp_path: Path, postgres: str
) -> None:
    name, log = make_url(url).database, tmp_path / "worker.log"
    command = [sys.executable, "-m", "tests.harness.worker", str(tmp_path)]
    with log.open("wb") as out:
        worker = subprocess.Popen(command, env=environment(url), cwd=ROOT, stdout=out, stderr=out)
    try:
        until(lambda: "worker started" in log.read_text())
        postgres_.execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
        ended = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        postgres_.execute(postgres, ended)
        until(lambda: "database unreachable" in log.read_text())
        postgres_.execute(postgres, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
        (run,) = start(trainable, 1)
        until(lambda: states(trainable.ctx, [run]) == ["done"])
        assert worker.poll() is None
    finally:
        worker.kill()
        worker.wait()


def test_a_killed_workers_training_is_taken_over_and_finishes_once(
    trainable: Bench, url: str, tmp_path: Path
) -> None:
    """The first is killed in the midst of a real training; the second is the worker that ships."""
    (run,) = start(trainable, HELD)
    log = tmp_path / "worker.log"

    def spawn(*module: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", *module]
        with log.open("ab") as out:
            return subprocess.Popen(
                command, env=environment(url), stdout=out, stderr=out, cwd=ROOT
            )

    progress: set[float] = set()

    def state() -> Training:
        training = trainings.get(trainable.ctx, run.id)
        progress.add(training.progress)
        return training

    first = spawn("tests.harness.worker", str(tmp_path))
    try:
        until(lambda: state().progress >= HELD_AT)
    finally:
        first.kill()
        first.wait()
    assert state().state == "running"
    second = spawn("lpnet_service", "worker")
    try:
        until(lambda: state().state not in ("queued", "running"))
    finally:
        second.terminate()
        second.wait(PATIENCE_S)
    done = state()
    assert done.state == "done", f"{done.error}\n{log.read_text()}"
    (info,) = lpnets.of_target(trainable.ctx, trainable.target)
    assert (info.id, info.active) == (done.lpnet, True)
    assert len(progress) > 2, "progress is seen on the way"
    assert log.read_text().count("run done") == 1
