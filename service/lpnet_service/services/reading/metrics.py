"""Metrics of what the database holds: read now and then, cached in between."""

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
from lpnet_service.repositories.metrics import (
    LeasedCount,
    MetricsRepository,
    RunTime,
    SampleCount,
)
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.states import target_states

# However often it is scraped, reading takes at most a twentieth of the time.
_MIN_CACHED_S, _CACHED_PER_READ = 5.0, 20.0


@dataclass(frozen=True)
class StoredMetrics:
    """What the database held at `at`; reading it took `read_s` seconds.

    targets           number of targets by (device, state)
    samples           by target
    campaigns         number of campaigns by state
    lpnets            error of active LPNets on held-out networks, percent, by target; None if no
                      networks were held out
    agents_last_seen  by device
    """

    at: datetime
    read_s: float
    jobs: Sequence[LeasedCount]
    runs: Sequence[LeasedCount]
    run_times: Sequence[RunTime]
    targets: Mapping[tuple[str, str], int]
    samples: Mapping[str, SampleCount]
    campaigns: Mapping[str, int]
    lpnets: Mapping[str, float | None]
    agents_last_seen: Mapping[str, datetime]


def read(ctx: Context) -> StoredMetrics:
    """The current metrics. Raises SQLAlchemyError if the database cannot be read."""
    started, now = time.perf_counter(), ctx.clock.now()
    with ctx.db.read() as session:
        targets = DeviceRepository(session).list_targets()
        states = target_states(ctx, session, targets)
        repository = MetricsRepository(session)
        no_samples = {target.name: SampleCount(0, 0) for target in targets}
        return StoredMetrics(
            at=now,
            jobs=repository.jobs(now),
            runs=repository.runs(now),
            run_times=repository.run_times(),
            targets=Counter((target.device, states[target.name].name) for target in targets),
            samples=no_samples | repository.samples(),
            campaigns=repository.campaigns(),
            lpnets=repository.lpnet_errors(),
            agents_last_seen=repository.agents_last_seen(),
            read_s=time.perf_counter() - started,
        )


class CachedMetrics:
    """Metrics that are cached for 5 s, or for twenty times their reading time if that is
    longer."""

    def __init__(self, ctx: Context) -> None:
        self._ctx = ctx
        self._lock = Lock()
        self._metrics: StoredMetrics | None = None
        self._expires_at = 0.0

    def get(self) -> StoredMetrics | None:
        """The metrics; None if the database cannot be read. One thread reads at a time."""
        with self._lock:
            if self._metrics is None or time.monotonic() >= self._expires_at:
                self._metrics = self._read()
                read_s = self._metrics.read_s if self._metrics else 0.0
                cached_s = max(_MIN_CACHED_S, _CACHED_PER_READ * read_s)
                self._expires_at = time.monotonic() + cached_s
            return self._metrics

    def _read(self) -> StoredMetrics | None:
        try:
            return read(self._ctx)
        except (SQLAlchemyError, ServiceError):
            return None
