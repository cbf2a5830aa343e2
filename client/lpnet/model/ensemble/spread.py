"""How uncertain an ensemble is: its members' disagreement, and the distance from its data."""

from __future__ import annotations

import torch
from torch import Tensor


def relative_spread(total: Tensor, slope: Tensor, leverage: Tensor, base: float) -> Tensor:
    """Spread (...,) of predictions `total` (..., M) in ms.

    It is the root of the sum of three variances of the log: `base` squared, the disagreement of
    the members, and the squared distance from the training data, which is the leverage of the
    linearised model. `slope` (..., M, D) is the derivative of log ms by the last layer's weights.
    """
    return spread_of(total, leveraged(slope, leverage), base)


def leveraged(slope: Tensor, leverage: Tensor) -> Tensor:
    """`slope` (..., M, D) times `leverage` (M, D, D): its squared length is the squared distance
    from the training data."""
    # Not a product that broadcasts: it would copy `leverage` for every prediction.
    return torch.einsum("...md,mde->...me", slope, leverage)


def spread_of(total: Tensor, leveraged_slope: Tensor, base: float) -> Tensor:
    """`relative_spread` of a slope that `leveraged` has multiplied."""
    distance = leveraged_slope.square().sum(-1).mean(-1)
    disagreement = torch.log(total).var(-1, correction=0)
    return torch.sqrt(base**2 + disagreement + distance)


def last_layer_slope(terms: Tensor, hidden: Tensor) -> Tensor:
    """Derivative (..., M, D) of the log of the sum over kernels by the last layer's weights.

    `terms` (..., M, 2, U), `hidden` (..., M, H, U); D = 2 (H + 1).
    """
    return weighted_hidden(terms / terms.sum((-1, -2), keepdim=True), hidden)


def weighted_hidden(terms: Tensor, hidden: Tensor) -> Tensor:
    """Sums (..., M, D) over kernels of the hidden layer and of 1, weighted by `terms`.

    Shapes are those of `last_layer_slope`, which is this of each term over the sum of all.
    """
    weights = terms @ hidden.transpose(-1, -2)
    return torch.cat((weights, terms.sum(-1, keepdim=True)), -1).flatten(-2)
