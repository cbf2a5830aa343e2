"""The step of a gate, and what stands in for its derivative."""

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
    """1 where a score is positive and 0 otherwise; backwards, `slope` is its derivative."""
    opened: Tensor = _Step.apply(scores)  # type: ignore[no-untyped-call]
    return opened


def slope(scores: Tensor) -> Tensor:
    """The derivative that replaces that of the step: that of a piecewise quadratic, 2 + 4x on
    [-1/2, 0), 2 - 4x on [0, 1/2), 0 outside (Liu et al., Bi-Real Net, arXiv 1808.00278, whose
    interval of [-1, 1] W-Gates, arXiv 2007.02066, halve). Its integral is 1, as the step's is.
    """
    return (2 - 4 * scores.abs()).clamp(min=0)
