"""What is stored, as Prometheus' metric families. docs/operate/metrics.md says what each means."""

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

# No name of a device or target has brackets.
OTHER = "(other)"
_LEASED_STATES = ("queued", "running", "expired", "done", "failed", "cancelled")
_CAMPAIGN_STATES = ("running", "done", "cancelled")
_ENDED_STATES = ("done", "failed", "cancelled")
_KINDS = ("training", "study", "plan")
Value = TypeVar("Value", int, float)


class StoredFamilies(Collector):
    """The families of some figures; without figures only that the database cannot be read.

    At most `most` devices and `most` targets are named, the first by name. What the others have is
    added up under `(other)`; where it cannot be added, the worst of them stands there.
    """

    def __init__(self, figures: StoredMetrics | None, most: int) -> None:
        self._figures = figures
        self._most = most

    def collect(self) -> Iterable[Metric]:
        yield InfoMetricFamily("lpnet_build", "What runs here.", {"version": version("lpnet")})
        up = float(self._figures is not None)
        yield GaugeMetricFamily("lpnet_database_up", "1 if the database can be read.", up)
        if self._figures is not None:
            yield from self._database(self._figures)
            yield from _work(self._figures)
            yield from self._devices(self._figures)
            yield from self._learned(self._figures)

    def _database(self, seen: StoredMetrics) -> Iterator[Metric]:
        yield GaugeMetricFamily(
            "lpnet_database_read_timestamp_seconds",
            "When the figures of the database below were read.",
            seen.at.timestamp(),
        )
        yield GaugeMetricFamily(
            "lpnet_database_read_duration_seconds",
            "Time that reading them took.",
            seen.read_s,
        )

    def _devices(self, seen: StoredMetrics) -> Iterator[Metric]:
        devices = sorted({device for device, _ in seen.targets} | set(seen.agents_last_seen))
        named = set(devices[: self._most])
        counts: Counter[tuple[str, str]] = Counter()
        for (device, state), count in seen.targets.items():
            counts[device if device in named else OTHER, state] += count
        targets = GaugeMetricFamily(
            "lpnet_targets", "Targets by device and state.", labels=("device", "state")
        )
        for device in sorted({device for device, _ in counts}):
            for state in get_args(TargetState):
                targets.add_metric((device, state), counts[device, state])
        yield targets
        heard = GaugeMetricFamily(
            "lpnet_agent_last_seen_timestamp_seconds",
            "When the agent of a device was heard last.",
            labels=("device",),
        )
        words = {device: at.timestamp() for device, at in seen.agents_last_seen.items()}
        _add(heard, _bounded(words, self._most, min))
        yield heard

    def _learned(self, seen: StoredMetrics) -> Iterator[Metric]:
        samples = GaugeMetricFamily(
            "lpnet_samples", "Samples stored, of every epoch.", labels=("target",)
        )
        counts = {name: stored.count for name, stored in seen.samples.items()}
        _add(samples, _bounded(counts, self._most, sum))
        yield samples
        share = GaugeMetricFamily(
            "lpnet_samples_disturbed_ratio",
            "Share of them that are disturbed and left out of training.",
            labels=("target",),
        )
        ratios = {
            name: stored.disturbed / stored.count
            for name, stored in seen.samples.items()
            if stored.count
        }
        _add(share, _bounded(ratios, self._most, max))
        yield share
        yield GaugeMetricFamily(
            "lpnet_lpnets_active", "Targets that have an LPNet in use.", len(seen.lpnets)
        )
        error = GaugeMetricFamily(
            "lpnet_lpnet_network_error_ratio",
            "Mean absolute error of the LPNet in use on held-out networks, as a ratio.",
            labels=("target",),
        )
        errors = {name: pct / 100.0 for name, pct in seen.lpnets.items() if pct is not None}
        _add(error, _bounded(errors, self._most, max))
        yield error


def _work(seen: StoredMetrics) -> Iterator[Metric]:
    jobs = GaugeMetricFamily("lpnet_jobs", "Jobs by state.", labels=("state",))
    counts = Counter({row.state: row.count for row in seen.jobs})
    for state in _LEASED_STATES:
        jobs.add_metric((state,), counts[state])
    yield jobs
    yield _oldest(seen, seen.jobs, "lpnet_jobs_oldest_waiting_seconds", "job")
    yield _lost(seen.jobs, "lpnet_job_attempts_lost", "jobs")
    runs = GaugeMetricFamily("lpnet_runs", "Runs of the worker.", labels=("kind", "state"))
    by_kind = {(row.kind, row.state): row.count for row in seen.runs}
    for kind in sorted({*_KINDS, *(row.kind for row in seen.runs)}):
        for state in _LEASED_STATES:
            runs.add_metric((kind, state), by_kind.get((kind, state), 0))
    yield runs
    yield _oldest(seen, seen.runs, "lpnet_runs_oldest_waiting_seconds", "run")
    yield _lost(seen.runs, "lpnet_run_attempts_lost", "runs")
    durations = SummaryMetricFamily(
        "lpnet_run_duration_seconds",
        "Time from the last start of a run to its end.",
        labels=("kind", "state"),
    )
    for ended in seen.run_times:
        durations.add_metric((ended.kind, ended.state), ended.count, ended.seconds)
    yield durations
    campaigns = GaugeMetricFamily("lpnet_campaigns", "Campaigns by state.", labels=("state",))
    for state in sorted({*_CAMPAIGN_STATES, *seen.campaigns}):
        campaigns.add_metric((state,), seen.campaigns.get(state, 0))
    yield campaigns


def _oldest(seen: StoredMetrics, rows: Iterable[LeasedCount], name: str, noun: str) -> Metric:
    asked = [row.oldest for row in rows if row.state in ("queued", "expired")]
    age = max(0.0, (seen.at - min(asked)).total_seconds()) if asked else 0.0
    said = f"Time since the oldest {noun} that nobody works on was asked for; 0 if there is none."
    return GaugeMetricFamily(name, said, age)


def _lost(rows: Iterable[LeasedCount], name: str, noun: str) -> Metric:
    """Attempts are counted as they begin; one of work that is done went well, one of work that
    runs may yet."""
    lost = sum(
        row.attempts - (row.count if row.state in ("running", "done") else 0) for row in rows
    )
    said = f"Attempts at the stored {noun} that came to nothing: expired, failed or cancelled."
    return GaugeMetricFamily(name, said, max(0, lost))


def _bounded(
    values: Mapping[str, Value], most: int, together: Callable[[Iterable[Value]], Value]
) -> dict[str, Value]:
    """The first `most` by name, and the others together as one."""
    names = sorted(values)
    bounded = {name: values[name] for name in names[:most]}
    if names[most:]:
        bounded[OTHER] = together(values[name] for name in names[most:])
    return bounded


def _add(family: GaugeMetricFamily, values: Mapping[str, float]) -> None:
    for name, value in values.items():
        family.add_metric((name,), value)
