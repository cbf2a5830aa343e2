"""Metrics of requests, counted by every API process for itself and added up at a scrape.

Where PROMETHEUS_MULTIPROC_DIR names a folder, the processes that have it count in files there, and
a scrape of any of them answers for all.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.metrics_core import Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from lpnet_service.observe.sharing import FOLDER, forget_dead

POLL_ROUTE = "/v1/agents/{id}/leases"
# A request that matches no route must not become a label of its own: anybody can make those up.
UNMATCHED = "unmatched"
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_POLL_SECONDS = (0.01, 0.05, 0.25, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)


@dataclass(frozen=True)
class Ended:
    """A request that has ended. `route` is its template, None where none matched; `status` is
    None where it was broken off before it was answered."""

    method: str
    route: str | None
    status: int | None
    seconds: float


class Meters(Collector):
    """The meters of one application; collecting them gives those of all processes beside it."""

    def __init__(self) -> None:
        # Otherwise each series has a second one of when it began, except with several processes.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._own = CollectorRegistry()
        self._requests = Counter(
            "lpnet_http_requests",
            "Requests answered.",
            ("method", "route", "status"),
            registry=self._own,
        )
        self._seconds = Histogram(
            "lpnet_http_request_duration_seconds",
            "Time to answer a request, lease polls left out.",
            ("method", "route"),
            buckets=_SECONDS,
            registry=self._own,
        )
        self._polls = Histogram(
            "lpnet_lease_poll_duration_seconds",
            "Time for which an agent's request for a job was held.",
            ("status",),
            buckets=_POLL_SECONDS,
            registry=self._own,
        )
        self._in_progress = Gauge(
            "lpnet_http_requests_in_progress",
            "Requests being answered now, lease polls left out.",
            registry=self._own,
            multiprocess_mode="livesum",
        )
        self._polls_in_progress = Gauge(
            "lpnet_lease_polls_in_progress",
            "Requests for a job that are held now.",
            registry=self._own,
            multiprocess_mode="livesum",
        )

    @contextmanager
    def answering(self, is_poll: bool) -> Iterator[None]:
        """Count a request as in progress."""
        gauge = self._polls_in_progress if is_poll else self._in_progress
        with gauge.track_inprogress():
            yield

    def count(self, ended: Ended) -> None:
        """Count a request that has ended."""
        method = ended.method if ended.method in _METHODS else "other"
        route = ended.route or UNMATCHED
        status = "none" if ended.status is None else str(ended.status)
        self._requests.labels(method, route, status).inc()
        if route == POLL_ROUTE:
            self._polls.labels(status).observe(ended.seconds)
        else:
            self._seconds.labels(method, route).observe(ended.seconds)

    def collect(self) -> Iterable[Metric]:
        folder = os.environ.get(FOLDER)
        if folder is None:
            return self._own.collect()
        forget_dead(Path(folder))
        together: Collector = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]
        return together.collect()
