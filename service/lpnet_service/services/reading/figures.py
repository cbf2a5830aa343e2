"""Figures of what is stored, for metrics: read now and then, kept in between."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from sqlalchemy.exc import SQLAlchemyError

from lpnet_service.errors import ServiceError
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.metrics import LeasedCount, MetricsRepository, RunTime, SampleCount
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.states import states

# However often somebody asks, at most one second in twenty goes into reading.
_LEAST_KEPT_S, _KEPT_TIMES = 5.0, 20.0


@dataclass(frozen=True)
class Figures:
    """What the database held at the moment `at`; reading it took `read_s` seconds.

    `targets` counts targets by (device, state); `lpnets` holds the held-out network error of
    active LPNets in percent, None where no networks were held out; the others say it themselves.
    """

    at: datetime
    read_s: float
    jobs: Sequence[LeasedCount]
    runs: Sequence[LeasedCount]
    worked: Sequence[RunTime]
    targets: Mapping[tuple[str, str], int]
    samples: Mapping[str, SampleCount]
    campaigns: Mapping[str, int]
    lpnets: Mapping[str, float | None]
    last_words: Mapping[str, datetime]


def read(ctx: Context) -> Figures:
    """The figures of now. Raises SQLAlchemyError where the database cannot be read."""
    began, now = time.perf_counter(), ctx.clock.now()
    with ctx.db.read() as session:
        rows = DeviceRepository(session).list_targets()
        doing = states(ctx, session, rows)
        return Figures(
            at=now,
            jobs=MetricsRepository(session).jobs(now),
            runs=MetricsRepository(session).runs(now),
            worked=MetricsRepository(session).run_times(),
            targets=Counter((row.device, doing[row.name].name) for row in rows),
            samples={row.name: SampleCount(0, 0) for row in rows}
            | MetricsRepository(session).samples(),
            campaigns=MetricsRepository(session).campaigns(),
            lpnets=MetricsRepository(session).lpnet_errors(),
            last_words=MetricsRepository(session).agents_last_seen(),
            read_s=time.perf_counter() - began,
        )


class KeptFigures:
    """Figures that are read again after 5 s, or after twenty times what reading them took."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._lock = Lock()
        self._kept: Figures | None = None
        self._stale_at = 0.0

    def get(self) -> Figures | None:
        """The figures; None where the database cannot be read now. One thread reads at a time."""
        with self._lock:
            if self._kept is None or time.monotonic() >= self._stale_at:
                self._kept = self._read()
                took = self._kept.read_s if self._kept else 0.0
                self._stale_at = time.monotonic() + max(_LEAST_KEPT_S, _KEPT_TIMES * took)
            return self._kept

    def _read(self) -> Figures | None:
        try:
            return read(self._ctx)
        except (SQLAlchemyError, ServiceError):
            return None
