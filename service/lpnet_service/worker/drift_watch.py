"""Watches whether new samples still agree with the active LPNets."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import datetime
from typing import get_args

import numpy as np
import structlog

from lpnet.errors import LpnetError
from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import Kind
from lpnet_service.db.rows import LPNetRow, SampleRow
from lpnet_service.errors import ServiceError
from lpnet_service.services.learning import drift, models
from lpnet_service.services.learning.drift import WatchedSamples
from lpnet_service.services.reading.predicted import predicted_ms, predicted_spread
from lpnet_service.services.shared.context import Context
from lpnet_service.training.drifting import COVERAGE, Drift, detect
from lpnet_service.training.records import Vector

# Fewer samples cannot be a drift yet.
_MIN_SAMPLES = 10
# Fewer held-out workloads do not show how the LPNet errs.
_MIN_HELD_OUT = 20
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
    rows, ratio, half_width = _compared(ctx, lpnet, watched.rows)
    _, held_out_ratio, held_out_width = _compared(ctx, lpnet, watched.held_out)
    if len(held_out_ratio) < _MIN_HELD_OUT:
        return
    tolerance = (watched.floor.pct or 0.0) / 100
    drifted = detect(ratio, half_width, tolerance, held_out_ratio / held_out_width)
    if drifted is None:
        return
    since = rows[drifted.start].taken_at
    if drift.open_epoch(ctx, lpnet, since, _reason(drifted, since)):
        _log.warning("target drifted", target=lpnet.target, ratio=round(drifted.ratio, 3))


def _compared(
    ctx: Context, lpnet: LPNetRow, rows: Sequence[SampleRow]
) -> tuple[list[SampleRow], Vector, Vector]:
    """The samples that the LPNet covers, the log of measured over predicted, and the half width of
    the interval."""
    workloads = {
        row.workload_key: Sample.model_validate_json(row.body_json).workload for row in rows
    }
    ms = predicted_ms(ctx, lpnet, workloads)
    spread = predicted_spread(ctx, lpnet, workloads)
    calibration = models.lpnet(ctx, lpnet.id).header.calibration
    factors = {kind: calibration.quantile(COVERAGE, kind) for kind in get_args(Kind)}
    covered = [row for row in rows if np.isfinite(ms[row.workload_key])]
    ratio = [math.log(row.latency_ms / ms[row.workload_key]) for row in covered]
    half_width = [factors[row.kind] * spread[row.workload_key] for row in covered]
    return covered, np.array(ratio), np.array(half_width)


def _reason(drifted: Drift, since: datetime) -> str:
    count = drifted.detected - drifted.start + 1
    return (
        f"{count} samples since {since:%Y-%m-%d %H:%M} UTC took {drifted.ratio:.2f} times the "
        f"latency that its LPNet predicts, in the median; they begin a new epoch, and a training "
        f"starts when it has {drift.MIN_WORKLOADS} workloads"
    )
