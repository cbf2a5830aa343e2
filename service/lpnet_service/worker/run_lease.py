"""Holding on to a run while it works: its lease is extended, its progress is published."""

from __future__ import annotations

from threading import Event, Thread
from types import TracebackType
from typing import Self

import structlog
from sqlalchemy.exc import SQLAlchemyError

from lpnet.alive import AliveFile
from lpnet_service.errors import DiskFull, LeaseLost
from lpnet_service.services.learning import runs
from lpnet_service.services.learning.runs import HeldRun
from lpnet_service.services.shared.context import Context

_LARGEST_PERIOD_S = 1.0
_log = structlog.get_logger()


class Reins:
    """Extends the lease of a run from a thread of its own, until left, and says that it lives.

    The work calls `progress` now and then, which raises LeaseLost once the run was cancelled or
    taken over.
    """

    def __init__(self, ctx: Context, run: HeldRun, alive: AliveFile) -> None:
        self._ctx = ctx
        self._run = run
        self._alive = alive
        self._said = (0.0, "started")
        self._lost = Event()
        self._left = Event()
        self._period = min(_LARGEST_PERIOD_S, ctx.settings.run_lease_s / 4)
        self._thread = Thread(target=self._hold, name="lease", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left.set()
        self._thread.join()

    def progress(self, share: float, stage: str) -> None:
        """The work is this far, 0 to 1, and does this now. Raises LeaseLost."""
        self._said = (share, stage)
        if self._lost.is_set():
            raise LeaseLost

    def _hold(self) -> None:
        while not self._left.wait(self._period):
            try:
                runs.hold(self._ctx, self._run, *self._said)
                self._alive.touch()
            except LeaseLost:
                self._lost.set()
                return
            except (SQLAlchemyError, DiskFull) as error:
                # The lease outlasts several of these; if the database stays away, it is lost.
                _log.warning("lease not extended", run=self._run.id, error=str(error))
