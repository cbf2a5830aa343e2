"""How hard latency is pressed down: the term of the loss that stands for milliseconds."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from lpnet.errors import LpnetError

Form = Literal["relative", "paper"]

# An excess of 5% then weighs as much as a task whose loss changes by 1 where latency doubles; what
# lasts weighs as much again after 100 steps.
_RIGOUR, _GAIN, _FADE = 10.0, 0.2, 0.9


class FixedPressure(nn.Module):
    """`alpha * log(1 + latency)`, as in W-Gates (arXiv 2007.02066, equation 8).

    `paper` takes the latency in ms. `relative`, the usual form, takes its share of the dense
    latency: log(1 + ms) nearly vanishes for a network of 0.1 ms, and grows ever more slowly for
    one of 100 ms.
    """

    def __init__(self, alpha: float, dense_ms: float, form: Form = "relative") -> None:
        super().__init__()
        if not (math.isfinite(alpha) and alpha >= 0):
            raise LpnetError(f"alpha has to be a number of at least 0, not {alpha}")
        self.alpha = float(alpha)
        self._unit_ms = dense_ms if form == "relative" else 1.0

    def forward(self, latency_ms: Tensor) -> Tensor:
        """Scalar of a scalar in ms."""
        return self.alpha * torch.log1p(latency_ms / self._unit_ms)


class BudgetPressure(nn.Module):
    """Latency above a budget costs `(multiplier + rigour * excess) * excess`, where the excess is
    the share by which the budget of the moment is exceeded; what is within it costs nothing.

    The budget of the moment falls geometrically from `start_ms` to `budget_ms` over the first
    `ramp` training steps: gates close a few at a time, and the others can make up for them. The
    multiplier grows with the excess at every step, as in the method of multipliers (Hestenes,
    1969), until the task gives way; while the budget is met it fades, so that gates that the task
    wants open can open again.
    """

    multiplier: Tensor
    steps: Tensor

    def __init__(self, budget_ms: float, start_ms: float, ramp: int = 200) -> None:
        super().__init__()
        if ramp < 0:
            raise LpnetError(f"ramp has to be a number of steps, not {ramp}")
        self.budget_ms, self.start_ms, self._ramp = float(budget_ms), float(start_ms), ramp
        self.register_buffer("multiplier", torch.zeros((), dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.float64))

    @property
    def momentary_ms(self) -> Tensor:
        """The budget of the moment."""
        left = (1 - self.steps / max(1, self._ramp)).clamp(min=0)
        falling: Tensor = self.budget_ms * (self.start_ms / self.budget_ms) ** left
        return falling

    def forward(self, latency_ms: Tensor) -> Tensor:
        """Scalar of a scalar in ms. In training mode it is a step."""
        if self.training and torch.is_grad_enabled():
            with torch.no_grad():
                self.steps += 1
                excess = latency_ms.detach() / self.momentary_ms - 1
                grown = self.multiplier + _GAIN * excess
                self.multiplier.copy_(torch.where(excess > 0, grown, _FADE * self.multiplier))
        excess = (latency_ms / self.momentary_ms - 1).clamp(min=0)
        return (self.multiplier + _RIGOUR * excess) * excess
