"""The header of a model, from the records that it is trained on."""

from __future__ import annotations

import numpy as np

from lpnet.model.header import Header
from lpnet.model.kernels import coverage
from lpnet.schemas.memory import MemoryLimits
from lpnet_service.training.records import RecordSet


def new_header(
    training: RecordSet,
    target: str,
    epoch: int,
    seed: int,
    noise_floor_pct: float | None,
    memory: MemoryLimits | None = None,
) -> Header:
    tables = [record.table for record in training.records]
    ops = dict.fromkeys(op for table in tables for op in coverage(table))
    channels = np.concatenate([np.concatenate((table.b_in, table.b_out)) for table in tables])
    pixels = [row.h * row.w for table in tables for row in table.rows]
    networks = int(training.network.sum())
    return Header(
        target=target,
        epoch=epoch,
        seed=seed,
        batches=tuple(sorted({record.batch for record in training.records})),
        coverage=tuple(sorted(ops)),
        ranges={
            "channels": (float(channels.min()), float(channels.max())),
            "pixels": (float(min(pixels)), float(max(pixels))),
            "latency_ms": (float(training.latency.min()), float(training.latency.max())),
        },
        trained_on={"block": len(training) - networks, "network": networks},
        noise_floor_pct=noise_floor_pct,
        memory=memory,
    )
