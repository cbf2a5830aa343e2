"""A worker process whose trainings are quick, and do what their seed says: `python -m
tests.harness.worker FOLDER`. Loop, leases and database are the service's own."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from lpnet.schemas.lpnet import NewTraining
from lpnet_service.services.learning import runs
from lpnet_service.services.learning.runs import ClaimedRun
from lpnet_service.services.shared.context import Context, context
from lpnet_service.settings import from_environment
from lpnet_service.worker.loop import work_until_stopped

# A training of such a seed waits until another process began one, kills its process, goes on until
# it is cancelled, or is a real one that stays at the share HELD_AT.
PATIENT, DEADLY, ENDLESS, HELD = 555, 666, 777, 888
HELD_AT = 0.2


def main(folder: Path) -> None:
    """Work until stopped; leaves a file for each training begun, named by run and process, and
    one for each that was finished."""

    def training(ctx: Context, run: ClaimedRun, progress: Callable[[float, str], None]) -> None:
        started = folder / f"{run.id}.{os.getpid()}"
        started.touch()
        seed = NewTraining.model_validate_json(run.params_json).seed
        while seed == PATIENT and len(_processes(folder)) < 2:
            time.sleep(0.01)
        if seed == DEADLY:
            os.kill(os.getpid(), signal.SIGKILL)
        if seed == HELD:
            _train_and_hold(ctx, run, progress)
        while seed == ENDLESS:
            progress(0.5, "for ever")
            time.sleep(0.01)
        with ctx.db.write() as session:
            runs.finish(session, ctx, runs.lock_claimed(session, run), None, None)
        (folder / f"{run.id}.done").touch(exist_ok=False)

    work_until_stopped(context(from_environment()), {"training": training})


def _processes(folder: Path) -> set[str]:
    return {path.suffix for path in folder.iterdir()} - {".done"}


def _train_and_hold(ctx: Context, run: ClaimedRun, progress: Callable[[float, str], None]) -> None:
    # What trains takes two seconds to import.
    from lpnet_service.worker import work

    def hold(share: float, stage: str) -> None:
        progress(share, stage)
        while share >= HELD_AT:
            progress(share, stage)
            time.sleep(0.01)

    work.run_training(ctx, run, hold)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
