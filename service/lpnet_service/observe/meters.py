"""Metrics of requests.

If PROMETHEUS_MULTIPROC_DIR names a folder, all API processes count in files there, and a scrape of
any of them returns the totals of all.
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

from lpnet_service.observe.shared_metrics import FOLDER, remove_dead_gauges

POLL_ROUTE = "/v1/agents/{id}/leases"
# The label of all requests that match no route: anybody could make up labels otherwise.
UNMATCHED = "unmatched"
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_POLL_SECONDS = (0.01, 0.05, 0.25, 1.0, 2.0, 4.0, 8.0, 15.0, 30.0, 60.0)


@dataclass(frozen=True)
class AnsweredRequest:
    """`route` is the template of its path, None if no route matched; `status` is None if the
    client left before the answer."""

    method: str
    route: str | None
    status: int | None
    seconds: float


class Meters(Collector):
    """The meters of an application; `collect` returns those of all its processes."""

    def __init__(self) -> None:
        # Otherwise each series gets a second one with its creation time, if there is one process.
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
        gauge = self._polls_in_progress if is_poll else self._in_progress
        with gauge.track_inprogress():
            yield

    def count(self, request: AnsweredRequest) -> None:
        method = request.method if request.method in _METHODS else "other"
        route = request.route or UNMATCHED
        status = "none" if request.status is None else str(request.status)
        self._requests.labels(method, route, status).inc()
        if route == POLL_ROUTE:
            self._polls.labels(status).observe(request.seconds)
        else:
            self._seconds.labels(method, route).observe(request.seconds)

    def collect(self) -> Iterable[Metric]:
        folder = os.environ.get(FOLDER)
        if folder is None:
            return self._own.collect()
        remove_dead_gauges(Path(folder))
        combined: Collector = MultiProcessCollector(None, folder)  # type: ignore[no-untyped-call]
        return combined.collect()
