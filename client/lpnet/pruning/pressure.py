"""The latency term of a loss: fixed, or steered to a budget."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn

from lpnet.errors import LpnetError

Form = Literal["relative", "paper"]

# With these an excess of 5% weighs as much as a task whose loss changes by 1 when latency doubles.
# An excess that lasts weighs as much again after 100 steps.
_RIGOUR, _GAIN, _FADE = 10.0, 0.2, 0.9


class FixedPressure(nn.Module):
    """`alpha * log(1 + latency)`, as in W-Gates (arXiv 2007.02066, equation 8).

    The form `paper` takes the latency in ms. `relative`, the default, takes its share of the
    dense latency: log(1 + ms) nearly vanishes for a network of 0.1 ms, and hardly changes for one
    of 100 ms.
    """

    def __init__(self, alpha: float, dense_ms: float, form: Form = "relative") -> None:
        super().__init__()
        if not (math.isfinite(alpha) and alpha >= 0):
            raise LpnetError(f"alpha must be a number of at least 0, got {alpha}")
        self.alpha = float(alpha)
        self._unit_ms = dense_ms if form == "relative" else 1.0

    def forward(self, latency_ms: Tensor) -> Tensor:
        """Maps a scalar in ms to a scalar."""
        return self.alpha * torch.log1p(latency_ms / self._unit_ms)


class BudgetPressure(nn.Module):
    """Latency above the current budget costs `(multiplier + rigour * excess) * excess`, where
    the excess is the share by which it is exceeded; latency within it costs nothing.

    The current budget falls geometrically from `start_ms` to `budget_ms` over the first `ramp`
    training steps, so that gates close a few at a time and the other channels can adapt. The
    multiplier grows with the excess at every step, as in the method of multipliers (Hestenes,
    1969), until the task gives way. While the budget is met it fades, so that gates that the task
    needs can open again.
    """

    multiplier: Tensor
    steps: Tensor

    def __init__(self, budget_ms: float, start_ms: float, ramp: int = 200) -> None:
        super().__init__()
        if ramp < 0:
            raise LpnetError(f"ramp must be a number of steps of at least 0, got {ramp}")
        self.budget_ms, self.start_ms, self._ramp = float(budget_ms), float(start_ms), ramp
        self.register_buffer("multiplier", torch.zeros((), dtype=torch.float64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.float64))

    @property
    def current_budget_ms(self) -> Tensor:
        """The budget at this step of the ramp."""
        remaining = (1 - self.steps / max(1, self._ramp)).clamp(min=0)
        budget: Tensor = self.budget_ms * (self.start_ms / self.budget_ms) ** remaining
        return budget

    def forward(self, latency_ms: Tensor) -> Tensor:
        """Maps a scalar in ms to a scalar. In training mode each call counts as a step of the
        ramp."""
        if self.training and torch.is_grad_enabled():
            with torch.no_grad():
                self.steps += 1
                excess = latency_ms.detach() / self.current_budget_ms - 1
                grown = self.multiplier + _GAIN * excess
                self.multiplier.copy_(torch.where(excess > 0, grown, _FADE * self.multiplier))
        excess = (latency_ms / self.current_budget_ms - 1).clamp(min=0)
        return (self.multiplier + _RIGOUR * excess) * excess
