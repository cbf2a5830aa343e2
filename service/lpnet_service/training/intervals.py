"""How much of what was held out lies within the prediction intervals."""

from __future__ import annotations

import numpy as np

from lpnet.model.header import Calibration
from lpnet.schemas.report import Interval
from lpnet.schemas.workload import Kind
from lpnet_service.training.conformal import COVERAGES
from lpnet_service.training.records import RecordSet
from lpnet_service.training.trainer import Predictions


def intervals(
    calibration: Calibration, predictions: Predictions, test: RecordSet, kind: Kind
) -> dict[float, Interval]:
    """By nominal coverage in percent, ascending; empty if nothing of this kind was held out."""
    of_kind = test.network if kind == "network" else ~test.network
    if not of_kind.any():
        return {}
    error = np.abs(np.log(test.latency[of_kind] / predictions.ms[of_kind]))
    by_coverage = {}
    for coverage in COVERAGES:
        half_width = calibration.quantile(coverage, kind) * predictions.spread[of_kind]
        width = np.exp(half_width) - np.exp(-half_width)
        nominal_pct = round(100.0 * coverage, 6)
        by_coverage[nominal_pct] = Interval(
            asked_pct=nominal_pct,
            covered_pct=float(100.0 * (error <= half_width).mean()),
            mean_width_pct=float(100.0 * width.mean()),
        )
    return by_coverage
