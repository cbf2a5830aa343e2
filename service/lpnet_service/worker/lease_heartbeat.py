"""Extends the lease of a run while it works, and publishes its progress."""

from __future__ import annotations

from threading import Event, Thread
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from lpnet.alive import AliveFile
from lpnet_service.errors import DiskFull, LeaseLost
from lpnet_service.services.learning import runs
from lpnet_service.services.learning.runs import ClaimedRun
from lpnet_service.services.shared.context import Context

_MAX_PERIOD_S = 1.0
_log = structlog.get_logger()


class LeaseHeartbeat:
    """Extends the lease of a run from its own thread until the block ends, and touches the
    worker's alive file.

    The work calls `progress` regularly, which raises LeaseLost once the run was cancelled or taken
    over.
    """

    def __init__(self, ctx: Context, run: ClaimedRun, alive: AliveFile) -> None:
        self._ctx = ctx
        self._run = run
        self._alive = alive
        self._progress = (0.0, "started")
        self._lost = Event()
        self._stopped = Event()
        self._period_s = min(_MAX_PERIOD_S, ctx.settings.run_lease_s / 4)
        self._thread = Thread(target=self._extend, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stopped.set()
        self._thread.join()

    def progress(self, share: float, stage: str) -> None:
        """Report the finished share, 0 to 1, and the current stage. Raises LeaseLost."""
        self._progress = (share, stage)
        if self._lost.is_set():
            raise LeaseLost

    def _extend(self) -> None:
        while not self._stopped.wait(self._period_s):
            try:
                runs.extend_lease(self._ctx, self._run, *self._progress)
                self._alive.touch()
            except LeaseLost:
                self._lost.set()
                return
            except (SQLAlchemyError, DiskFull) as error:
                # A lease outlasts several failures. If the database stays away, it is lost.
                _log.warning("lease not extended", run=self._run.id, error=str(error))
