"""Metrics of stored data as families of Prometheus; docs/operate/metrics.md explains each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import TypeVar, get_args

from prometheus_client.metrics_core import (
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from lpnet.schemas.device import TargetState
from lpnet_service.repositories.metrics import LeasedCount
from lpnet_service.services.reading.metrics import StoredMetrics

# Names of devices and targets cannot hold brackets.
OTHER = "(other)"
_LEASED_STATES = ("queued", "running", "expired", "done", "failed", "cancelled")
_CAMPAIGN_STATES = ("running", "done", "cancelled")
_ENDED_STATES = ("done", "failed", "cancelled")
_KINDS = ("training", "study", "plan")
Value = TypeVar("Value", int, float)


class StoredFamilies(Collector):
    """The metric families of stored data. If the database cannot be read, only that is reported.

    Labels are limited to the first `max_names` devices and targets by name. The values of all
    other names are summed under `(other)`; of values that cannot be summed, the worst is shown.
    """

    def __init__(self, metrics: StoredMetrics | None, max_names: int) -> None:
        self._metrics = metrics
        self._max_names = max_names

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("lpnet_build", "Version of lpnet.", {"version": version("lpnet")})
        up = float(self._metrics is not None)
        yield GaugeMetricFamily("lpnet_database_up", "1 if the database can be read.", up)
        if self._metrics is not None:
            yield from self._database(self._metrics)
            yield from _work(self._metrics)
            yield from self._devices(self._metrics)
            yield from self._samples_and_lpnets(self._metrics)

    def _database(self, metrics: StoredMetrics) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "lpnet_database_read_timestamp_seconds",
            "When the metrics of the database below were read.",
            metrics.at.timestamp(),
        )
        yield GaugeMetricFamily(
            "lpnet_database_read_duration_seconds",
            "Duration of reading them.",
            metrics.read_s,
        )

    def _devices(self, metrics: StoredMetrics) -> Iterator[Metric]:
        devices = sorted({device for device, _ in metrics.targets} | set(metrics.agents_last_seen))
        names = set(devices[: self._max_names])
        counts: Counter[tuple[str, str]] = Counter()
        for (device, state), count in metrics.targets.items():
            counts[device if device in names else OTHER, state] += count
        targets = GaugeMetricFamily(
            "lpnet_targets", "Targets by device and state.", labels=("device", "state")
        )
        for device in sorted({device for device, _ in counts}):
            for state in get_args(TargetState):
                targets.add_metric((device, state), counts[device, state])
        yield targets
        last_contact = GaugeMetricFamily(
            "lpnet_agent_last_seen_timestamp_seconds",
            "Last contact with the agent of a device.",
            labels=("device",),
        )
        timestamps = {device: at.timestamp() for device, at in metrics.agents_last_seen.items()}
        _add(last_contact, _bounded(timestamps, self._max_names, min))
        yield last_contact

    def _samples_and_lpnets(self, metrics: StoredMetrics) -> Iterator[Metric]:
        samples = GaugeMetricFamily(
            "lpnet_samples", "Samples stored, of every epoch.", labels=("target",)
        )
        counts = {name: stored.count for name, stored in metrics.samples.items()}
        _add(samples, _bounded(counts, self._max_names, sum))
        yield samples
        share = GaugeMetricFamily(
            "lpnet_samples_disturbed_ratio",
            "Share of samples that are disturbed and not used for training.",
            labels=("target",),
        )
        ratios = {
            name: stored.disturbed / stored.count
            for name, stored in metrics.samples.items()
            if stored.count
        }
        _add(share, _bounded(ratios, self._max_names, max))
        yield share
        yield GaugeMetricFamily(
            "lpnet_lpnets_active", "Targets that have an LPNet in use.", len(metrics.lpnets)
        )
        error = GaugeMetricFamily(
            "lpnet_lpnet_network_error_ratio",
            "Mean absolute error of the LPNet in use on held-out networks, as a ratio.",
            labels=("target",),
        )
        errors = {name: pct / 100.0 for name, pct in metrics.lpnets.items() if pct is not None}
        _add(error, _bounded(errors, self._max_names, max))
        yield error


def _work(metrics: StoredMetrics) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("lpnet_jobs", "Jobs by state.", labels=("state",))
    counts = Counter({row.state: row.count for row in metrics.jobs})
    for state in _LEASED_STATES:
        jobs.add_metric((state,), counts[state])
    yield jobs
    yield _oldest(metrics, metrics.jobs, "lpnet_jobs_oldest_waiting_seconds", "job")
    yield _lost(metrics.jobs, "lpnet_job_attempts_lost", "jobs")
    runs = GaugeMetricFamily("lpnet_runs", "Runs of the worker.", labels=("kind", "state"))
    by_kind = {(row.kind, row.state): row.count for row in metrics.runs}
    for kind in sorted({*_KINDS, *(row.kind for row in metrics.runs)}):
        for state in _LEASED_STATES:
            runs.add_metric((kind, state), by_kind.get((kind, state), 0))
    yield runs
    yield _oldest(metrics, metrics.runs, "lpnet_runs_oldest_waiting_seconds", "run")
    yield _lost(metrics.runs, "lpnet_run_attempts_lost", "runs")
    durations = SummaryMetricFamily(
        "lpnet_run_duration_seconds",
        "Time from the last start of a run to its end.",
        labels=("kind", "state"),
    )
    for ended in metrics.run_times:
        durations.add_metric((ended.kind, ended.state), ended.count, ended.seconds)
    yield durations
    campaigns = GaugeMetricFamily("lpnet_campaigns", "Campaigns by state.", labels=("state",))
    for state in sorted({*_CAMPAIGN_STATES, *metrics.campaigns}):
        campaigns.add_metric((state,), metrics.campaigns.get(state, 0))
    yield campaigns


def _oldest(metrics: StoredMetrics, rows: Iterable[LeasedCount], name: str, noun: str) -> Metric:
    waiting = [row.oldest for row in rows if row.state in ("queued", "expired")]
    age_s = max(0.0, (metrics.at - min(waiting)).total_seconds()) if waiting else 0.0
    return GaugeMetricFamily(name, f"Age of the oldest waiting {noun}; 0 if there is none.", age_s)


def _lost(rows: Iterable[LeasedCount], name: str, noun: str) -> Metric:
    # Attempts are counted when they begin, so one attempt of each running or done job is not lost.
    lost = sum(
        row.attempts - (row.count if row.state in ("running", "done") else 0) for row in rows
    )
    documentation = f"Attempts at the stored {noun} that expired, failed or were cancelled."
    return GaugeMetricFamily(name, documentation, max(0, lost))


def _bounded(
    values: Mapping[str, Value], max_names: int, combine: Callable[[Iterable[Value]], Value]
) -> dict[str, Value]:
    names = sorted(values)
    bounded = {name: values[name] for name in names[:max_names]}
    if names[max_names:]:
        bounded[OTHER] = combine(values[name] for name in names[max_names:])
    return bounded


def _add(family: GaugeMetricFamily, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        family.add_metric((name,), value)
