"""What every pruning method is to a training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class PruningMethod(nn.Module, ABC):
    """Decides, while a model trains, which of its channels stay.

    A loop trains the method's parameters with the model's, adds `latency_loss()` to the task's
    loss in every step, and ends with `choose` and `finish`. Checkpoints hold the method's
    `state_dict` beside the model's; what was chosen is not in it, and is chosen again.
    """

    def latency_loss(self) -> Tensor:
        """The term to add to the task's loss, a scalar; once for each step of the optimiser."""
        return torch.zeros(())

    def remove(self) -> None:
        """Take off the model whatever hangs on it: it is as it was, but for its weights."""

    @abstractmethod
    def widths(self) -> dict[str, int]:
        """Channels of every width that would stay now."""

    @abstractmethod
    def choose(self, budget_ms: float | None = None) -> dict[str, int]:
        """Decide which channels stay, for this budget or the one that the method was made with;
        their widths. It may be asked again, with what a measurement taught about the budget.
        Raises BudgetTooSmall."""

    @abstractmethod
    def finish(self) -> nn.Module:
        """A plain model with all other channels physically removed; what was chosen stands, or is
        chosen now."""
