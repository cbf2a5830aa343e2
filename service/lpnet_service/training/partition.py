"""Networks against the sum of their blocks: where that is far from one, blocks alone mislead."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from lpnet.model.lpnet import LPNet
from lpnet_service.training.baselines.lookup import cut, signature
from lpnet_service.training.calibration import outputs
from lpnet_service.training.records import Data

# Pricing some networks' blocks is enough for a median.
MOST_CUT = 40


def network_over_blocks(lpnet: LPNet, data: Data) -> tuple[float | None, str | None]:
    """Median of a measured network over the sum of its blocks, each priced as if it ran alone;
    or None, and why there is none."""
    networks = [record for record in data.records if record.kind == "network"][:MOST_CUT]
    if not networks:
        return None, "no network was measured"
    known = {signature(r.table, r.batch): None for r in data.records if r.kind == "block"}
    ratios = []
    for network in networks:
        parts = cut(network.table, network.batch, known) if known else None
        if parts is not None:
            alone = [replace(network, kind="block", table=part) for part in parts]
            priced = outputs(lpnet, Data.of(alone)).latency.sum()
            ratios.append(network.latency_ms / float(priced))
    if not ratios:
        return None, "no network consists of blocks that were measured"
    return float(np.median(ratios)), None
