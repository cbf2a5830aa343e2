"""The interface between a pruning method and a training loop."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


class PruningMethod(nn.Module, ABC):
    """Decides, while a model trains, which of its channels stay.

    A loop trains the method's parameters with the model's, adds `latency_loss()` to the task's
    loss in every step, and ends with `choose` and `finish`. Checkpoints hold the method's
    `state_dict` beside the model's. It does not contain the choice: call `choose` again.
    """

    def latency_loss(self) -> Tensor:
        """The term to add to the task's loss: a scalar. Call it once for each step of the
        optimiser."""
        return torch.zeros(())

    def remove(self) -> None:
        """Remove all hooks from the model; its weights stay as trained."""

    @abstractmethod
    def widths(self) -> dict[str, int]:
        """The number of channels of each width that would stay now."""

    @abstractmethod
    def choose(self, budget_ms: float | None = None) -> dict[str, int]:
        """Decide which channels stay, and return their widths.

        `budget_ms` defaults to the budget of the constructor. It may be called again with a budget
        that a measurement has corrected. Raises BudgetTooSmall.
        """

    @abstractmethod
    def finish(self) -> nn.Module:
        """A plain model with all other channels physically removed. Calls `choose` first if
        nothing has."""
