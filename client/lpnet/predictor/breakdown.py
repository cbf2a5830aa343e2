"""Where the time goes: a prediction as the sum of its blocks, the edges and the call.

An LPNet prices each kernel in its context and adds up, so the sum over the kernels of a block is
what the block takes inside this network: the sum is plain, and nothing has to be shared out. By
itself a block takes more: it then pays for edges and for a call of its own, and its neighbours
are others.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lpnet.model.bound import BoundLPNet
from lpnet.model.kernels import nodes
from lpnet.space.space import Space


def parts_ms(bound: BoundLPNet, space: Space, widths: Tensor) -> Tensor:
    """Milliseconds of each block in order, then of both edges together, then of the call: widths
    (..., L) to (..., blocks + 2). They add up to what `bound` says of the widths."""
    return bound.unit_ms(widths) @ _owners(space).to(widths)


def _owners(space: Space) -> Tensor:
    """(U, blocks + 2): 1 where a kernel belongs to a part."""
    blocks, found = space.blocks, nodes(space.table)
    owners = torch.zeros(len(found), len(blocks) + 2, dtype=torch.float64)
    for unit, node in enumerate(found[:-3]):
        part = next(i for i, block in enumerate(blocks) if block.start <= node.row < block.stop)
        owners[unit, part] = 1.0
    owners[-3:-1, -2] = 1.0
    owners[-1, -1] = 1.0
    return owners
