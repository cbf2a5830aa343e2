"""Counting multiply-accumulates by running a module, with torch's own counter."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.spaces.networks import Example, call


def macs(model: nn.Module, example: Example) -> int:
    """Multiply-accumulates of convolutions and matrix products, for an input of the batch."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    counter = FlopCounterMode(display=False)
    try:
        # As plain products: the counter does not know each fused kernel.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            call(model, example)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    first = next(iter(example.values())) if isinstance(example, Mapping) else example
    return int(counter.get_total_flops()) // 2 // len(first)
