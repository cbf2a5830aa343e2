"""Measured networks over the sum of their blocks: far from 1, blocks alone mislead."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lpnet.model.base import LatencyModel
from lpnet_service.training.baselines.lookup import cut, signature
from lpnet_service.training.records import RecordSet
from lpnet_service.training.trainer import Trainer

# A median does not need more networks than this.
MAX_NETWORKS = 40


def network_over_blocks(
    trainer: Trainer[Any], model: LatencyModel, training: RecordSet
) -> tuple[float | None, str | None]:
    """Median ratio of a network's measured latency to the sum of its blocks, each priced as if it
    ran alone; or None and the reason."""
    networks = [r for r in training.records if r.kind == "network"][:MAX_NETWORKS]
    if not networks:
        return None, "no network was measured"
    blocks = {signature(r.table, r.batch): None for r in training.records if r.kind == "block"}
    ratios = []
    for network in networks:
        parts = cut(network.table, network.batch, blocks) if blocks else None
        if parts is not None:
            alone = [replace(network, kind="block", table=part) for part in parts]
            priced = trainer.predict(model, RecordSet.of(alone)).ms.sum()
            ratios.append(network.latency_ms / float(priced))
    if not ratios:
        return None, "no network consists of blocks that were measured"
    return float(np.median(ratios)), None
