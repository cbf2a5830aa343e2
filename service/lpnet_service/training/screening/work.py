"""The work of workloads, and the latency that it lets one expect, roughly and robustly."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial import cKDTree

from lpnet.space.table import MULTIPLYING, WEIGHTED, OpTable
from lpnet_service.training.records import Record, Vector

Matrix = NDArray[np.float64]
# Errors of the log beyond this count linearly in the fit, not squared.
_TOLERATED = 0.3
# Coefficients stay within this factor of their first guess, as a log.
_MAX_LOG = 30.0
_NEIGHBOURS = 8


def work_of(records: Sequence[Record]) -> Matrix:
    """Work (N, 6): FLOPs of dense and of grouped ops, values moved, weights, ops, and 1."""
    by_key: dict[str, list[float]] = {}
    for record in records:
        if record.key not in by_key:
            by_key[record.key] = _work(record.table, record.batch)
    return np.array([by_key[record.key] for record in records])


def expected_ms(work: Matrix, latency: Vector) -> Vector:
    """Latencies (N,) by the fit of a sum over the columns of `work`, with positive coefficients.

    The fit is of the log and robust: a minority of wrong latencies hardly moves it.
    """
    scale = work.max(0)
    columns = work[:, scale > 0] / scale[scale > 0]
    target = np.log(latency)
    guess = np.log(np.median(latency) / np.median(columns, 0).clip(1e-3) / columns.shape[1])

    def errors(logs: Vector) -> Vector:
        return np.asarray(np.log(columns @ np.exp(logs)) - target)

    def slopes(logs: Vector) -> Matrix:
        parts = columns * np.exp(logs)
        return np.asarray(parts / parts.sum(1, keepdims=True))

    bounds = (guess - _MAX_LOG, guess + _MAX_LOG)
    fit = least_squares(
        errors, guess, slopes, bounds, loss="soft_l1", f_scale=_TOLERATED, max_nfev=40
    )
    return np.asarray(np.exp(errors(fit.x) + target))


def neighbours(work: Matrix) -> NDArray[np.int64]:
    """The workloads with the most similar work, (N, 8) or fewer; none is its own neighbour."""
    logs = np.log1p(work)
    spread = logs.std(0)
    points = logs[:, spread > 0] / spread[spread > 0]
    count = min(_NEIGHBOURS, len(work) - 1)
    if not points.shape[1]:
        return (np.arange(len(work))[:, None] + np.arange(1, count + 1)) % len(work)
    nearest = cKDTree(points).query(points, count + 1)[1]
    itself = nearest == np.arange(len(work))[:, None]
    # Among many equal points a point may be missing in its own list.
    itself[~itself.any(1), -1] = True
    return np.asarray(nearest[~itself].reshape(len(work), count))


def _work(table: OpTable, batch: int) -> list[float]:
    rows, count = table.rows, len(table.rows)
    pixels_in = np.fromiter((row.h * row.w for row in rows), float, count)
    pixels_out = np.fromiter((row.h_out * row.w_out for row in rows), float, count)
    areas = (row.kernel[0] * row.kernel[1] if row.type in MULTIPLYING else 0 for row in rows)
    transposed = np.fromiter((row.type == "conv_transpose2d" for row in rows), bool, count)
    weighted = np.fromiter((row.type in WEIGHTED for row in rows), bool, count)
    grouped = table.b_g > 1
    products = table.b_in / table.b_g * table.b_out * np.fromiter(areas, float, count)
    flops = 2.0 * products * np.where(transposed, pixels_in, pixels_out)
    moved = table.b_in * pixels_in + table.b_out * pixels_out
    return [
        batch * float(flops[~grouped].sum()),
        batch * float(flops[grouped].sum()),
        batch * float(moved.sum()),
        float(products[weighted].sum()),
        float(count),
        1.0,
    ]
