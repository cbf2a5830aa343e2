"""The worker's loop: sweep expired leases, claim a run, do it, repeat."""

from __future__ import annotations

import errno
import signal
from collections.abc import Callable, Mapping
from threading import Event
from types import FrameType

import structlog
from sqlalchemy.exc import OperationalError

from lpnet.alive import AliveFile
from lpnet.logs import fields
from lpnet_service.db.migrate import migrate
from lpnet_service.errors import DiskFull, LeaseLost
from lpnet_service.observe import tracing
from lpnet_service.services.learning import runs
from lpnet_service.services.learning.runs import ClaimedRun
from lpnet_service.services.shared.context import Context
from lpnet_service.services.upkeep import sweeping
from lpnet_service.worker.lease_heartbeat import LeaseHeartbeat

Work = Callable[[Context, ClaimedRun, Callable[[float, str], None]], None]
_IDLE_S = 0.5
_RETRY_S = 2.0
_log = structlog.get_logger()


class Stopped(BaseException):
    """The process was asked to end. A BaseException, so that no `except Exception` swallows it."""


def tick(ctx: Context, kinds: Mapping[str, Work], alive: AliveFile | None = None) -> bool:
    """Sweep leases, then do one run with the function for its kind; returns whether there was
    one."""
    alive = alive or AliveFile(None)
    sweeping.sweep(ctx)
    run = runs.claim(ctx)
    alive.touch()
    if run is None:
        return False
    with (
        fields.bound(run=run.id, kind=run.kind, target=run.target, campaign=run.campaign),
        tracing.span("run", **{"lpnet.run": run.id, "lpnet.kind": run.kind}),
    ):
        _do(ctx, run, kinds[run.kind], alive)
    return True


def _do(ctx: Context, run: ClaimedRun, work: Work, alive: AliveFile) -> None:
    _log.info("run started")
    try:
        with LeaseHeartbeat(ctx, run, alive) as heartbeat:
            work(ctx, run, heartbeat.progress)
    except LeaseLost:
        _log.info("run abandoned: it was cancelled or taken over")
    except Stopped:
        runs.give_back(ctx, run)
        raise
    except OperationalError:
        # The database is unreachable: the lease expires, and the run is offered again.
        raise
    except Exception as error:
        if _is_disk_full(error):
            _log.warning("run interrupted: a disk is full", reason=str(error))
            _give_back(ctx, run)
            raise DiskFull from error
        # Any error is reported to the user who waits for the run; the log has the traceback.
        _log.exception("run failed")
        _fail(ctx, run, f"{type(error).__name__}: {error}")
    else:
        _log.info("run done")


def _is_disk_full(error: Exception) -> bool:
    return isinstance(error, DiskFull) or getattr(error, "errno", None) == errno.ENOSPC


def _give_back(ctx: Context, run: ClaimedRun) -> None:
    """Return a run to the queue, as soon as the disk has room for that."""
    while True:
        try:
            runs.give_back(ctx, run)
            return
        except DiskFull:
            Event().wait(_RETRY_S)


def _fail(ctx: Context, run: ClaimedRun, reason: str) -> None:
    try:
        runs.fail(ctx, run, reason)
    except LeaseLost:
        _log.info("run already ended: it was cancelled or taken over")


def work_until_stopped(
    ctx: Context,
    kinds: Mapping[str, Work],
    when_idle: Callable[[Context], None] = lambda _ctx: None,
) -> None:
    """Work until SIGTERM or SIGINT. An interrupted run goes back to the queue.

    `when_idle` is called, again and again, while there is no run.
    """

    def stop(_signal: int, _frame: FrameType | None) -> None:
        # A second signal must not interrupt giving the run back.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        raise Stopped

    idle, alive = Event(), AliveFile(ctx.settings.worker_alive_file)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    try:
        migrate(ctx.db)
        _log.info("worker started")
        is_full = False
        while True:
            try:
                worked = tick(ctx, kinds, alive)
                if not worked:
                    when_idle(ctx)
            except OperationalError as error:
                _log.warning("database unreachable", error=str(error.orig).strip())
                idle.wait(_RETRY_S)
                continue
            except DiskFull as error:
                if not is_full:
                    _log.warning("waiting: the disk is full", reason=error.detail)
                is_full = True
                idle.wait(_RETRY_S)
                continue
            is_full = False
            if not worked:
                idle.wait(_IDLE_S)
    except Stopped:
        _log.info("worker stopped")
    finally:
        alive.remove()
        ctx.db.close()
