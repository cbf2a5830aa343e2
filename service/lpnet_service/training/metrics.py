"""Predicted against measured, in the figures every report gives together."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

from lpnet.schemas.report import Metrics
from lpnet_service.training.records import Vector


def metrics(predicted: Vector, measured: Vector) -> Metrics | None:
    if len(measured) == 0:
        return None
    error = 100.0 * np.abs(predicted - measured) / measured
    return Metrics(
        n=len(measured),
        mape_pct=float(error.mean()),
        rmspe_pct=float(np.sqrt((error**2).mean())),
        within_5_pct=float(100.0 * (error <= 5.0).mean()),
        within_10_pct=float(100.0 * (error <= 10.0).mean()),
        spearman=spearman(predicted, measured),
    )


def spearman(a: Vector, b: Vector) -> float | None:
    """Rank correlation; None for fewer than three values or if one side is constant."""
    if len(a) < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return None
    return float(np.corrcoef(rankdata(a), rankdata(b))[0, 1])
