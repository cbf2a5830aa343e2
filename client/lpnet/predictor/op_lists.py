"""The latency of a list of ops, which belongs to no space."""

from __future__ import annotations

import math

import torch

from lpnet.model.base import LatencyModel
from lpnet.schemas.lpnet import Prediction
from lpnet.schemas.workload import Kind, OpsWorkload
from lpnet.space.table import OpTable


def predict_ops(
    lpnet: LatencyModel, workload: OpsWorkload, coverage: float = 0.9, kind: Kind = "block"
) -> Prediction:
    """Latency with an interval; `kind` says of which workloads its coverage is.

    Raises NotCovered if the LPNet was not trained on an op or on the batch size, ValueError for a
    coverage that is not between 0 and 1, LpnetError if the LPNet was never calibrated.
    """
    bound = lpnet.bind(OpTable.from_ops(workload.ops), workload.batch)
    no_widths = torch.zeros(0, dtype=torch.float64)
    with torch.no_grad():
        ms, spread = float(bound(no_widths)), float(bound.spread(no_widths))
    ratio = math.exp(bound.quantile(coverage, kind) * spread)
    return Prediction(latency_ms=ms, low_ms=ms / ratio, high_ms=ms * ratio)
