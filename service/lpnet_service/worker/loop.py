"""The worker's loop: sweep what died, take a run, work, repeat."""

from __future__ import annotations

import signal
from collections.abc import Callable, Mapping
from threading import Event
from types import FrameType

import structlog
from sqlalchemy.exc import OperationalError

from lpnet.alive import AliveFile
from lpnet.logs import fields
from lpnet_service.db.migrate import migrate
from lpnet_service.errors import LeaseLost
from lpnet_service.observe import tracing
from lpnet_service.services.learning import runs
from lpnet_service.services.learning.runs import HeldRun
from lpnet_service.services.shared.context import Context
from lpnet_service.services.upkeep import sweeping
from lpnet_service.worker.run_lease import Reins

Work = Callable[[Context, HeldRun, Callable[[float, str], None]], None]
_IDLE_S = 0.5
_AWAY_S = 2.0
_log = structlog.get_logger()


class Stopped(BaseException):
    """The process was asked to end. Not an Exception: no handler of failures may swallow it."""


def tick(ctx: Context, kinds: Mapping[str, Work], alive: AliveFile | None = None) -> bool:
    """Sweep leases, and do one run if there is one, as `kinds` says; whether there was."""
    alive = alive or AliveFile(None)
    sweeping.sweep(ctx)
    run = runs.claim(ctx)
    alive.touch()
    if run is None:
        return False
    with (
        fields.work(run=run.id, kind=run.kind, target=run.target, campaign=run.campaign),
        tracing.span("run", **{"lpnet.run": run.id, "lpnet.kind": run.kind}),
    ):
        _do(ctx, run, kinds[run.kind], alive)
    return True


def _do(ctx: Context, run: HeldRun, work: Work, alive: AliveFile) -> None:
    _log.info("run started")
    try:
        with Reins(ctx, run, alive) as reins:
            work(ctx, run, reins.progress)
    except LeaseLost:
        _log.info("run given up: it was cancelled or taken over")
    except Stopped:
        runs.give_back(ctx, run)
        raise
    except OperationalError:
        # The database went away: the lease ends by itself, and the run is offered again.
        raise
    except Exception as error:
        # Whatever it was, the user who waits for this run has to be told; the log has the trace.
        _log.exception("run failed")
        _fail(ctx, run, f"{type(error).__name__}: {error}")
    else:
        _log.info("run done")


def _fail(ctx: Context, run: HeldRun, reason: str) -> None:
    try:
        runs.fail(ctx, run, reason)
    except LeaseLost:
        _log.info("nobody waits for this run any more")


def work_until_stopped(ctx: Context, kinds: Mapping[str, Work]) -> None:
    """Work until SIGTERM or SIGINT. A run that is interrupted goes back to the queue."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # Asked twice, it would be torn out of putting its run back.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    idle, alive = Event(), AliveFile(ctx.settings.worker_alive_file)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        migrate(ctx.db)
        _log.info("worker started")
        while True:
            try:
                worked = tick(ctx, kinds, alive)
            except OperationalError as error:
                # A database that restarts is waited for; a run in hand keeps its lease meanwhile.
                _log.warning("the database does not answer", error=str(error.orig).strip())
                idle.wait(_AWAY_S)
                continue
            if not worked:
                idle.wait(_IDLE_S)
    except Stopped:
        _log.info("worker stopped")
    finally:
        alive.remove()
        ctx.db.close()
