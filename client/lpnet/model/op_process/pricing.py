"""Prices of kernels by a bound op process, with their slopes."""

from __future__ import annotations

import torch
from torch import Tensor

from lpnet.model.op_process.bound import BoundOpProcess
from lpnet.model.op_process.matern import _pull
from lpnet.model.sloped import Pricing


def op_process_pricing(bound: BoundOpProcess, kernels: Tensor | None, like: Tensor) -> Pricing:
    """Prices of kernels from their raw channel features, which are of the type of `like`."""
    by_kernel = (bound.base, bound.rates)
    if kernels is not None:
        by_kernel = (bound.base[:, kernels], bound.rates[:, kernels])
    base, rates = (part.to(like) for part in by_kernel)
    parts = (bound.blend, bound.shift, bound.points, bound.weights)
    blend, shift, points, weights = (part.to(like) for part in parts)

    def pricing(inputs: Tensor, with_slope: bool) -> tuple[Tensor, Tensor | None]:
        at = blend @ inputs + shift[:, None]
        correction, along = _pull(at, base, points, weights, with_slope)
        work = torch.exp(inputs[..., -2:, :]) * rates[:2]
        factor = torch.exp(correction)
        price = (work.sum(-2) + rates[2]) * factor
        if along is None:
            return price, None
        slope = (blend.mT @ along).mul_(price.unsqueeze(-2))
        slope[..., -2:, :] += work * factor.unsqueeze(-2)
        return price, slope

    return pricing
