"""Magnitude pruning, at the widths of highest capacity within a latency budget."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from lpnet.pruning.budget import require_reachable, require_same_space
from lpnet.pruning.channels.filters import largest, magnitude, per_channel
from lpnet.pruning.channels.layers import members
from lpnet.pruning.methods.base import PruningMethod
from lpnet.pruning.predictor import PruningPredictor
from lpnet.space.space import Space


class Magnitude(PruningMethod):
    """Keeps the largest filters, at the widths of `predictor.widest`.

    The widths have as many MACs as the budget allows. Filters are averaged over the layers that a
    width couples (Li et al., Pruning Filters for Efficient ConvNets, arXiv 1608.08710).

    There is nothing to train with it: choose, finish, and train the small network. No width goes
    below the share `keep` of its max. Raises BudgetTooSmall, before any training, if no widths
    meet the budget.
    """

    def __init__(
        self,
        model: nn.Module,
        space: Space,
        predictor: PruningPredictor,
        *,
        budget_ms: float,
        keep: float = 0.1,
    ) -> None:
        super().__init__()
        require_same_space(predictor, space)
        require_reachable(predictor, budget_ms, keep=keep)
        self.space, self.budget_ms, self._keep = space, budget_ms, keep
        # In tuples, so that their parameters are not registered here.
        self._model, self._predictor = (model,), (predictor,)
        self._chosen: dict[str, int] | None = None

    def widths(self) -> dict[str, int]:
        """Dense before `choose`."""
        return self._chosen or self.space.named(self.space.dense)

    def choose(self, budget_ms: float | None = None) -> dict[str, int]:
        budget = self.budget_ms if budget_ms is None else budget_ms
        self._chosen = self.space.named(self._predictor[0].widest(budget, keep=self._keep))
        return self._chosen

    def kept(self) -> dict[str, list[int]]:
        """The channels of every width that stay, ascending."""
        return strongest(self._model[0], self.space, self.widths())

    def finish(self) -> nn.Module:
        if self._chosen is None:
            self.choose()
        with torch.no_grad():
            return self.space.prune(self._model[0], self.kept())


def strongest(model: nn.Module, space: Space, widths: Mapping[str, int]) -> dict[str, list[int]]:
    """The channels of every width with the largest filters, ascending, as many as in `widths`.
    Space.prune takes them."""
    layers, kept = members(space.template, model), {}
    for width in space.widths:
        sizes = magnitude(width, layers[width.name], model)
        gates = per_channel(width, largest(width, sizes, widths[width.name]))
        kept[width.name] = gates.nonzero().flatten().tolist()
    return kept
