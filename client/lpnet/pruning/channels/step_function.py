"""The step function of gates, with a surrogate for its derivative."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Step(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, scores: Tensor) -> Tensor:
        ctx.save_for_backward(scores)
        return (scores > 0).to(scores.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (scores,) = ctx.saved_tensors
        return gradients[0] * slope(scores)


def step(scores: Tensor) -> Tensor:
    """1 where a score is positive and 0 otherwise; its gradient is `slope`."""
    opened: Tensor = _Step.apply(scores)  # type: ignore[no-untyped-call]
    return opened


def slope(scores: Tensor) -> Tensor:
    """The surrogate for the derivative of the step: 2 + 4x on [-1/2, 0), 2 - 4x on [0, 1/2), 0
    elsewhere.

    It is the derivative of a piecewise quadratic (Liu et al., Bi-Real Net, arXiv 1808.00278), on
    half the interval, as in W-Gates (arXiv 2007.02066). Its integral is 1, like the step's rise.
    """
    return (2 - 4 * scores.abs()).clamp(min=0)
