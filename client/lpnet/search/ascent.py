"""Widths of much capacity within a budget, by the gradient of the predictor's envelope."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lpnet.search.ladders import Ladders
from lpnet.search.macs import Macs

_RATE = 0.1
# Weight of a budget's violation, and steps between two updates of its price.
_PENALTY = 10.0
_EVERY = 5
_HALVINGS = 24
_JITTER = 0.35


@dataclass(frozen=True)
class Slope:
    """What the ascent climbs on: capacity and envelope, over the box low..high, each (L,)."""

    envelope: Callable[[Tensor], Tensor]
    macs: Macs
    low: Tensor
    high: Tensor


def ascend(
    slope: Slope,
    ladders: Ladders,
    total: Callable[[Tensor], Tensor],
    budgets: Tensor,
    *,
    seed: int,
    steps: int = 150,
) -> Tensor:
    """Widths (B, L), between rungs, for budgets (B,) in ms; float64.

    Maximises log MACs subject to envelope <= budget by the augmented Lagrangian method with Adam
    on unconstrained parameters, every row by itself. Half way the budget is corrected by what the
    envelope misses of the prediction (`total`) at the nearest rungs.
    """
    widths = starts(slope, budgets, seed)
    widths = _climb(slope, widths, budgets.log(), steps)
    near = ladders.nearest(widths.cpu()).to(widths.device)
    with torch.no_grad():
        missed = (total(near) / slope.envelope(near.double())).log()
    return _climb(slope, widths, budgets.log() - missed, steps)


def starts(slope: Slope, budgets: Tensor, seed: int) -> Tensor:
    """Jittered uniform shrinks (B, L) whose envelope meets the budgets (B,); the first is even."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(len(budgets), len(slope.low), generator=generator, dtype=torch.float64).to(
        slope.low.device
    )
    noise[0] = 0.0
    shape = slope.high * torch.exp(_JITTER * noise)
    below, above = torch.zeros_like(budgets), torch.full_like(budgets, 4.0)
    with torch.no_grad():
        for _ in range(_HALVINGS):
            ratio = (below + above) / 2
            over = slope.envelope(_boxed(slope, shape * ratio[:, None])) > budgets
            above, below = torch.where(over, ratio, above), torch.where(over, below, ratio)
    return _boxed(slope, shape * below[:, None])


def _boxed(slope: Slope, widths: Tensor) -> Tensor:
    return widths.maximum(slope.low).minimum(slope.high)


def _climb(slope: Slope, start: Tensor, log_budgets: Tensor, steps: int) -> Tensor:
    span = (slope.high - slope.low).clamp(min=1e-9)
    share = ((start - slope.low) / span).clamp(0.02, 0.98)
    free = torch.logit(share).requires_grad_()
    optimiser = torch.optim.Adam([free], lr=_RATE)
    price = torch.full_like(log_budgets, 1.0)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = _RATE * (1 + math.cos(math.pi * step / steps)) / 2
        widths = slope.low + span * torch.sigmoid(free)
        over = slope.envelope(widths).log() - log_budgets
        push = (price + _PENALTY * over).clamp(min=0.0)
        loss = -slope.macs(widths).log() + push.square() / (2 * _PENALTY)
        (free.grad,) = torch.autograd.grad(loss.sum(), free)
        optimiser.step()
        if step % _EVERY == 0:
            price = push.detach()
    with torch.no_grad():
        return slope.low + span * torch.sigmoid(free)
