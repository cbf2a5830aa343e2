"""Where the time goes: a prediction as the sum of its blocks, the edges and the call.

A latency model prices each kernel in its context and adds up, so the sum over the kernels of a
block is what the block takes inside this network. A block that runs alone takes more: it pays for
edges and a call of its own, and has other neighbours.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lpnet.model.base import BoundModel
from lpnet.model.kernels import kernels
from lpnet.model.op_types import EDGES
from lpnet.space.space import Space


def parts_ms(bound: BoundModel, space: Space, widths: Tensor) -> Tensor:
    """Milliseconds of each block in order, then of both edges together, then of the call.

    Widths (..., L) to (..., blocks + 2). The parts add up to the latency.
    """
    return bound.kernel_ms(widths) @ _parts_of_kernels(space).to(widths)


def _parts_of_kernels(space: Space) -> Tensor:
    """(U, blocks + 2): 1 where a kernel belongs to a part."""
    blocks, priced = space.blocks, kernels(space.table)
    parts = torch.zeros(len(priced), len(blocks) + 2, dtype=torch.float64)
    for index, kernel in enumerate(priced):
        if kernel.type in EDGES:
            parts[index, -1 if kernel.type == "call" else -2] = 1.0
            continue
        part = next(i for i, block in enumerate(blocks) if block.start <= kernel.row < block.stop)
        parts[index, part] = 1.0
    return parts
