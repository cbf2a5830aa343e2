"""Prices of kernels by an ensemble, with their slopes."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lpnet.model.ensemble.limits import Limits


class Layers(NamedTuple):
    """The layers of M members with H hidden units, for U kernels.

    `w1` (M H, RAW) and `b1` (M H, U) are those of all members, `w2` (M, H, H), `b2` (M, H, 1),
    `w3` (M, 2, H) and `b3` (M, 2, 1) those of each.
    """

    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor
    w3: Tensor
    b3: Tensor


def price(
    layers: Layers, limits: Limits | None, inputs: Tensor, with_slope: bool
) -> tuple[Tensor, Tensor | None]:
    """Milliseconds (..., U), averaged over the members, of kernels with raw channel features
    (..., RAW, U), and their slopes (..., RAW, U) by these."""
    members, logs = len(layers.w2), inputs[..., -2:, :]
    first, first_slope = _silu(layers.w1 @ inputs + layers.b1, with_slope)
    by_member = first.reshape(*first.shape[:-2], *layers.b2.shape[:2], first.shape[-1])
    hidden, hidden_slope = _silu(layers.w2 @ by_member + layers.b2, with_slope)
    log_terms = layers.w3 @ hidden + layers.b3 + logs.unsqueeze(-3)
    if not with_slope:
        terms = torch.exp(log_terms) if limits is None else limits.held(log_terms, logs)
        return terms.sum((-3, -2)) / members, None
    if limits is None:
        along = terms = torch.exp(log_terms)
        from_logs = along.sum(-3)
    else:
        terms, along, by_roofline = limits.held_with_slopes(log_terms, logs)
        from_logs = along.sum(-3) + by_roofline
    back = (layers.w3.mT @ along).mul_(hidden_slope)
    back = (layers.w2.mT @ back).flatten(-3, -2).mul_(first_slope)
    slope = layers.w1.mT @ back
    slope[..., -2:, :] += from_logs
    return terms.sum((-3, -2)) / members, slope.div_(members)


def _silu(inputs: Tensor, with_slope: bool) -> tuple[Tensor, Tensor]:
    """SiLU, and its derivative if it is needed; the value is the same bit for bit."""
    gate = torch.sigmoid(inputs)
    value = inputs * gate
    return value, torch.addcmul(gate, value, 1.0 - gate) if with_slope else value
