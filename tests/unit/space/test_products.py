"""Products with a weight that is the first operand, or no matrix, are counted."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lpnet.space.space import Space

IMAGE = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))


class Mixed(nn.Module):
    """Pixels are mixed by a stack of matrices, or channels by a matrix before them."""

    weight: Tensor

    def __init__(self, *, first: bool) -> None:
        super().__init__()
        self.conv, self.head, self.first = nn.Conv2d(3, 8, 1), nn.Conv1d(6, 5, 1), first
        self.middle = nn.Conv1d(8, 6, 1)
        self.register_buffer("weight", torch.randn(6, 8) if first else torch.randn(1, 16, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x).flatten(2)
        x = self.weight @ x if self.first else self.middle(x @ self.weight)
        out: Tensor = self.head(x)
        return out


@pytest.mark.parametrize("first", [False, True])
def test_a_product_with_a_weight_counts_as_torch_counts_it(first: bool) -> None:
    torch.manual_seed(0)
    model = Mixed(first=first).eval()
    space = Space.from_model(model, IMAGE)
    kept = {"conv": [0, 3, 4], space.widths[1].name: [1, 2]}
    pruned = space.prune(model, kept)
    for module, widths in ((model, None), (pruned, {n: len(k) for n, k in kept.items()})):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            module(IMAGE)
        own = space.macs(space.dense if widths is None else widths)
        assert own == counter.get_total_flops() // 2
