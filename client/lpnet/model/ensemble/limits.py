"""Prices held near a roofline: beyond its data, the exponential of an MLP knows no bounds.

A roofline prices a kernel of some type at `a * FLOPs + b * bytes`. Training sets its rates, and
how far the prices of each member were from it, on the kernels that the member was fitted to.
Within these limits a price stays as it is. The further the MLP is beyond them, the less of its
ratio to the roofline is left:

    log(price / roofline) = r exp(-(e / REACH)^2)        r: that of the MLP, e: its excess
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lpnet.model.op_types import MORE_TYPES, TYPES
from lpnet.model.static_features import FIRST_STATIC

HELD_TYPES = len(TYPES) + len(MORE_TYPES)
# Excess of the log of the price at which 1 / e of the ratio is left. Files rely on it.
REACH = 1.0
# Stands for no limit: a file holds no infinity.
UNLIMITED = 1e3


class Limits(NamedTuple):
    """The limits of U kernels for M members.

    `rates` (2, U) are the logs of the roofline's ms per FLOP and per byte. `low` and `high` (M, U)
    are limits of the log of price over roofline.
    """

    rates: Tensor
    low: Tensor
    high: Tensor

    def at(self, kernels: Tensor) -> Limits:
        return Limits(*(part[:, kernels] for part in self))

    def like(self, tensor: Tensor) -> Limits:
        """With the type and device of a tensor."""
        return Limits(*(part.to(tensor) for part in self))

    def ratio(self, log_terms: Tensor, logs: Tensor) -> Tensor:
        """Log (..., M, U) of price over roofline, without limits.

        `log_terms` (..., M, 2, U) are the logs of the summands of prices, `logs` (..., 2, U)
        those of FLOPs and bytes.
        """
        roofline = logs + self.rates
        roofline = torch.logaddexp(roofline[..., 0, :], roofline[..., 1, :])
        price = torch.logaddexp(log_terms[..., 0, :], log_terms[..., 1, :])
        return price - roofline.unsqueeze(-2)

    def held(self, log_terms: Tensor, logs: Tensor) -> Tensor:
        """Summands (..., M, 2, U) in ms of prices within the limits; shapes as in `ratio`."""
        ratio = self.ratio(log_terms, logs)
        beyond = ratio - ratio.clamp(self.low, self.high)
        change = ratio * torch.expm1(-((beyond / REACH) ** 2))
        return torch.exp(log_terms + change.unsqueeze(-2))

    def held_with_slopes(self, log_terms: Tensor, logs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """`held`, and the derivatives of the prices: those of each member by `log_terms`
        (..., M, 2, U), and their sum over the members by the roofline's logs (..., 2, U)."""
        ratio = self.ratio(log_terms, logs)
        beyond = (ratio - ratio.clamp(self.low, self.high)) / REACH
        lost = torch.expm1(-(beyond**2))
        terms = torch.exp(log_terms + (ratio * lost).unsqueeze(-2))
        by_ratio = lost - (2.0 / REACH) * ratio * beyond * (lost + 1.0)
        along = terms * (1.0 + by_ratio).unsqueeze(-2)
        from_roofline = (terms.sum(-2) * by_ratio).sum(-2, keepdim=True)
        return terms, along, -from_roofline * torch.softmax(logs + self.rates, -2)


def type_index(static: Tensor) -> Tensor:
    """The type of each kernel with static features (U, STATIC), as an index into TYPES and then
    MORE_TYPES: (U,)."""
    later = static[:, FIRST_STATIC : FIRST_STATIC + len(MORE_TYPES)]
    return torch.cat((static[:, : len(TYPES)], later), 1).argmax(1)
