"""The figures of a prediction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy.study.prediction import Prediction
from lpnet_service.training.records import Vector

# A prediction that is not positive counts as this.
MIN_MS = 1e-6
PARTS = 3
WIDTHS = 8


@dataclass(frozen=True)
class Figures:
    """Errors in percent; `worst_ratio` is the largest of predicted over measured and of its
    inverse. Intervals are those of 90%: rows inside them, their mean width, and rows inside by
    thirds of latency and of distance from the training rows, all in percent; None for methods
    without intervals. `by_width` has the median width and the mean error of rows with similar
    widths. `cpu_s` is the time to train and predict."""

    mape_pct: float
    median_pct: float
    worst_ratio: float
    covered_pct: float | None
    width_pct: float | None
    covered_by_latency: tuple[float, ...] | None
    covered_by_distance: tuple[float, ...] | None
    by_width: tuple[tuple[float, float], ...]
    cpu_s: float
    file_bytes: int | None


def figures(
    prediction: Prediction, measured: Vector, distance: Vector, widths: Vector, cpu_s: float
) -> Figures:
    ms = np.maximum(prediction.ms, MIN_MS)
    error = 100.0 * np.abs(ms - measured) / measured
    inside = width = by_latency = by_distance = None
    if prediction.half_width is not None:
        half = prediction.half_width
        hits = np.abs(np.log(ms / measured)) <= half
        inside = float(100.0 * hits.mean())
        width = float(100.0 * (np.exp(half) - np.exp(-half)).mean())
        by_latency, by_distance = by_parts(hits, measured), by_parts(hits, distance)
    return Figures(
        mape_pct=float(error.mean()),
        median_pct=float(np.median(error)),
        worst_ratio=float(np.exp(np.abs(np.log(ms / measured)).max())),
        covered_pct=inside,
        width_pct=width,
        covered_by_latency=by_latency,
        covered_by_distance=by_distance,
        by_width=by_width(error, widths),
        cpu_s=cpu_s,
        file_bytes=prediction.file_bytes,
    )


def by_parts(hits: np.ndarray, values: Vector) -> tuple[float, ...]:
    """Hits in percent among the lowest third of the values, the middle one, and the highest."""
    order = np.argsort(values, kind="stable")
    return tuple(float(100.0 * hits[part].mean()) for part in np.array_split(order, PARTS))


def by_width(error: Vector, widths: Vector) -> tuple[tuple[float, float], ...]:
    """The median width and the mean error of WIDTHS parts of the rows, in the order of widths."""
    order = np.argsort(widths, kind="stable")
    parts = [part for part in np.array_split(order, WIDTHS) if len(part)]
    return tuple((float(np.median(widths[p])), float(error[p].mean())) for p in parts)
