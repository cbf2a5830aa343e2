"""Widths of high capacity within a budget, by the gradient of the predictor's envelope."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lpnet.search.ladders import Ladders
from lpnet.search.macs import Macs

_RATE = 0.1
# Weight of a budget's violation, and steps between two updates of its multiplier.
_PENALTY = 10.0
_UPDATE_STEPS = 5
_HALVINGS = 24
_JITTER = 0.35


@dataclass(frozen=True)
class AscentProblem:
    """Maximise `macs` under a budget for `envelope`, over the box `low` to `high`, each (L,)."""

    envelope: Callable[[Tensor], Tensor]
    macs: Macs
    low: Tensor
    high: Tensor


def ascend(
    problem: AscentProblem,
    ladders: Ladders,
    total: Callable[[Tensor], Tensor],
    budgets: Tensor,
    *,
    seed: int,
    steps: int = 150,
) -> Tensor:
    """Widths (B, L), between rungs, for budgets (B,) in ms; float64.

    Maximises log MACs subject to envelope <= budget, for each row by itself, by the augmented
    Lagrangian method with Adam on unconstrained parameters. Halfway, the budget is corrected by
    the ratio of the prediction (`total`) to the envelope at the nearest rungs.
    """
    widths = starts(problem, budgets, seed)
    widths = _climb(problem, widths, budgets.log(), steps)
    near = ladders.nearest(widths.cpu()).to(widths.device)
    with torch.no_grad():
        correction = (total(near) / problem.envelope(near.double())).log()
    return _climb(problem, widths, budgets.log() - correction, steps)


def starts(problem: AscentProblem, budgets: Tensor, seed: int) -> Tensor:
    """Uniform shrinks (B, L) with jitter whose envelope meets the budgets (B,). The first has no
    jitter."""
    generator = torch.Generator().manual_seed(seed)
    shape = (len(budgets), len(problem.low))
    noise = torch.randn(shape, generator=generator, dtype=torch.float64).to(problem.low.device)
    noise[0] = 0.0
    jittered = problem.high * torch.exp(_JITTER * noise)
    below, above = torch.zeros_like(budgets), torch.full_like(budgets, 4.0)
    with torch.no_grad():
        for _ in range(_HALVINGS):
            ratio = (below + above) / 2
            over = problem.envelope(_boxed(problem, jittered * ratio[:, None])) > budgets
            above, below = torch.where(over, ratio, above), torch.where(over, below, ratio)
    return _boxed(problem, jittered * below[:, None])


def _boxed(problem: AscentProblem, widths: Tensor) -> Tensor:
    return widths.maximum(problem.low).minimum(problem.high)


def _climb(problem: AscentProblem, start: Tensor, log_budgets: Tensor, steps: int) -> Tensor:
    span = (problem.high - problem.low).clamp(min=1e-9)
    share = ((start - problem.low) / span).clamp(0.02, 0.98)
    free = torch.logit(share).requires_grad_()
    optimiser = torch.optim.Adam([free], lr=_RATE)
    multiplier = torch.full_like(log_budgets, 1.0)
    for step in range(steps):
        optimiser.param_groups[0]["lr"] = _RATE * (1 + math.cos(math.pi * step / steps)) / 2
        widths = problem.low + span * torch.sigmoid(free)
        over = problem.envelope(widths).log() - log_budgets
        force = (multiplier + _PENALTY * over).clamp(min=0.0)
        loss = -problem.macs(widths).log() + force.square() / (2 * _PENALTY)
        (free.grad,) = torch.autograd.grad(loss.sum(), free)
        optimiser.step()
        if step % _UPDATE_STEPS == 0:
            multiplier = force.detach()
    with torch.no_grad():
        return problem.low + span * torch.sigmoid(free)
