"""Watches whether new samples still agree with the active LPNets."""

from __future__ import annotations

import math
import time
from datetime import datetime

import numpy as np
import structlog

from lpnet.errors import LpnetError
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import OpsWorkload, SpaceWorkload
from lpnet_service.errors import ServiceError
from lpnet_service.services.learning import drift, models
from lpnet_service.services.learning.drift import WatchedSamples
from lpnet_service.services.reading.predicted import predicted_ms, predicted_spread
from lpnet_service.services.shared.context import Context
from lpnet_service.training.drifting import COVERAGE, MIN_TOLERANCE, Drift, detect

# Fewer samples cannot be a drift yet.
_MIN_SAMPLES = 10
_PERIOD_S = 5.0
_log = structlog.get_logger()


class DriftWatch:
    """Judges a target again whenever the number of its samples has changed."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._due_at = -math.inf

    def check_if_due(self, ctx: Context) -> None:
        if time.monotonic() >= self._due_at:
            self.check(ctx)
            self._due_at = time.monotonic() + _PERIOD_S

    def check(self, ctx: Context) -> None:
        counts = drift.sample_counts(ctx)
        changed = [name for name, count in counts.items() if self._counts.get(name) != count]
        self._counts = counts
        for target in changed:
            try:
                check(ctx, target)
            except (LpnetError, ServiceError) as error:
                # Its LPNet cannot predict: it is of another version of lpnet, or lost.
                _log.warning("drift not judged", target=target, error=str(error))


def check(ctx: Context, target: str) -> None:
    """Flag a target whose newer samples disagree with its active LPNet; begin a new epoch and
    queue a training."""
    watched = drift.watched_samples(ctx, target)
    if watched is not None and len(watched.rows) >= _MIN_SAMPLES:
        _judge(ctx, watched)
    if drift.train_if_ready(ctx, target):
        _log.info("training queued after a drift", target=target)


def _judge(ctx: Context, watched: WatchedSamples) -> None:
    lpnet = watched.lpnet
    workloads = {
        row.workload_key: Sample.model_validate_json(row.body_json).workload
        for row in watched.rows
    }
    ms, spread = _predictions(ctx, watched, workloads)
    rows = [row for row in watched.rows if np.isfinite(ms[row.workload_key])]
    calibration = models.lpnet(ctx, lpnet.id).header.calibration
    factors = {
        row.kind: calibration.quantile(COVERAGE, "block" if row.kind == "block" else "network")
        for row in rows
    }
    ratio = np.array([np.log(row.latency_ms / ms[row.workload_key]) for row in rows])
    half_width = np.array([factors[row.kind] * spread[row.workload_key] for row in rows])
    tolerance = max(MIN_TOLERANCE, (watched.floor.pct or 0.0) / 100)
    drifted = detect(ratio, half_width, tolerance)
    if drifted is None:
        return
    since = rows[drifted.start].taken_at
    if drift.open_epoch(ctx, lpnet, since, _reason(drifted, since)):
        _log.warning("target drifted", target=lpnet.target, ratio=round(drifted.ratio, 3))


def _predictions(
    ctx: Context, watched: WatchedSamples, workloads: dict[str, OpsWorkload | SpaceWorkload]
) -> tuple[dict[str, float], dict[str, float]]:
    lpnet = watched.lpnet
    return predicted_ms(ctx, lpnet, workloads), predicted_spread(ctx, lpnet, workloads)


def _reason(drifted: Drift, since: datetime) -> str:
    count = drifted.detected - drifted.start + 1
    return (
        f"{count} samples since {since:%Y-%m-%d %H:%M} UTC took {drifted.ratio:.2f} times the "
        f"latency that its LPNet predicts, in the median; they begin a new epoch, and a training "
        f"starts when it has {drift.MIN_WORKLOADS} workloads"
    )
