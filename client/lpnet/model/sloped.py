"""Prices with slopes that are computed beside them.

Autograd would go through some hundred small operations, which takes longer than the work itself.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lpnet.model.channel_features import raw, raw_with_slopes, steps_like

# Takes raw channel features (..., RAW, U), and whether slopes are needed. Returns the milliseconds
# (..., U) of the kernels, and their slopes (..., RAW, U) by the features, or None.
Pricing = Callable[[Tensor, bool], tuple[Tensor, Tensor | None]]


def sloped(pricing: Pricing, cost: Tensor, channels: Tensor) -> Tensor:
    """Milliseconds (..., U) of kernels with channels (..., 5, U), differentiable in these once.

    `cost` (5, U) is that of `KernelTensors`.
    """
    fixed, steps = channels.detach(), steps_like(channels)
    if not (torch.is_grad_enabled() and channels.requires_grad):
        return pricing(raw(cost, fixed, steps), False)[0]
    inputs, slopes = raw_with_slopes(cost, fixed, steps)
    value, slope = pricing(inputs, True)
    assert slope is not None
    return value + (slopes.by_channels(slope, fixed) * (channels - fixed)).sum(-2)
