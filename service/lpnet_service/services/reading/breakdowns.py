"""The parts of a predicted latency: blocks, edges and the call."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from lpnet.schemas.breakdown import Breakdown, DenseNetwork, LatencyPart

if TYPE_CHECKING:
    from torch import Tensor

    from lpnet.predictor.predictor import Predictor
    from lpnet.space.space import Space


def compute(predictor: Predictor, widths: Tensor) -> list[Breakdown]:
    """The breakdown of each network at widths (B, L)."""
    import torch

    with torch.no_grad():
        ms = predictor.breakdown(widths)
    shares = ms / ms.sum(-1, keepdim=True)
    names, vectors = _names(predictor.space), widths.numpy()
    tables = [predictor.space.table.slice(b.start, b.stop) for b in predictor.space.blocks]
    zeros = [np.zeros(len(vectors))] * (len(names) - len(tables))
    macs = np.stack([*(table.macs(vectors) for table in tables), *zeros], -1)
    params = np.stack([*(table.params(vectors) for table in tables), *zeros], -1)
    return [
        Breakdown(
            macs=round(macs[row].sum()),
            params=round(params[row].sum()),
            parts=tuple(
                LatencyPart(
                    kind=kind,
                    name=name,
                    latency_ms=float(ms[row, column]),
                    share=float(shares[row, column]),
                    macs=round(macs[row, column]),
                    params=round(params[row, column]),
                )
                for column, (kind, name) in enumerate(names)
            ),
        )
        for row in range(len(vectors))
    ]


def dense_network(predictor: Predictor) -> DenseNetwork:
    import torch

    widths = predictor.space.dense
    with torch.no_grad():
        latency_ms = float(predictor(predictor.high))
    return DenseNetwork(
        latency_ms=latency_ms,
        macs=predictor.space.macs(widths),
        params=predictor.space.params(widths),
    )


def _names(space: Space) -> list[tuple[Literal["block", "edges", "call"], str | None]]:
    return [*(("block", block.name) for block in space.blocks), ("edges", None), ("call", None)]
