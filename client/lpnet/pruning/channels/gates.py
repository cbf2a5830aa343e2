"""The gates of one width: a score per channel, computed from the weights of the channel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lpnet.pruning.channels.filters import filters, magnitude
from lpnet.pruning.channels.layers import AnyMember
from lpnet.pruning.channels.step_function import step
from lpnet.space.axis import Width

# Scores start in this range, ordered by importance. All are open, and the surrogate is not 0.
_MIDDLE, _SPREAD = 0.25, 0.2
_RIDGE = 1e-3


class Gates(nn.Module):
    """Gates of a width, max / granule of them.

    The filters of a channel, of all members, are flattened and divided by their layer's mean
    magnitude and by their number of values. A fully connected layer turns them into one score.
    (The division makes a step of Adam move the scores of every layer by about its learning rate,
    whatever the layer's size.)

    The layer starts as the ridge regression that puts the scores in the order of the filters'
    magnitudes, between 0.05 and 0.45: all gates are open, and the least important closes first.
    Filters with fewer values than there are channels can only be ordered roughly.
    """

    def __init__(self, width: Width, members: Sequence[AnyMember], model: nn.Module) -> None:
        super().__init__()
        self.width = width
        self._members = tuple(members)
        rows = self._rows(model).detach()
        self.score = nn.Linear(rows.shape[1], 1, device=rows.device, dtype=rows.dtype)
        with torch.no_grad():
            self.score.weight.copy_(_ordering(rows, magnitude(width, members, model)))
            self.score.bias.fill_(_MIDDLE)

    def scores(self, model: nn.Module) -> Tensor:
        """Scores (max / granule,), differentiable in the layer and the filters."""
        scores: Tensor = self.score.bias
        start, values = 0, self.score.in_features
        for rows in filters(self.width, self._members, model):
            # The division is applied to the layer's weights, which are fewer than the filters.
            share = self.score.weight[0, start : start + rows.shape[1]] / (_size(rows) * values)
            scores = scores + rows @ share
            start += rows.shape[1]
        return scores

    def open(self, scores: Tensor) -> Tensor:
        """1.0 or 0.0 for each score. If no score is positive, the highest one is open."""
        detached = scores.detach()
        best = detached.argmax()
        # Computed in any case, so that the device need not be waited for. The score is raised to
        # just above the step, where the surrogate slope pulls both ways.
        is_best = torch.arange(len(scores), device=scores.device) == best
        raised = is_best & (detached[best] <= 0)
        tiny = torch.finfo(scores.dtype).tiny
        return step(torch.where(raised, scores - detached + tiny, scores))

    def weights(self, model: nn.Module) -> list[Tensor]:
        filters = [member.weight(model) for member in self._members]
        return [self.score.weight, self.score.bias, *filters]

    def _rows(self, model: nn.Module) -> Tensor:
        """Inputs of the fully connected layer (max / granule, values)."""
        members = filters(self.width, self._members, model)
        joined = torch.cat([rows / _size(rows) for rows in members], dim=1)
        return joined / joined.shape[1]


def _size(rows: Tensor) -> Tensor:
    total = torch.linalg.vector_norm(rows.detach(), ord=1)
    return torch.clamp(total / rows.numel(), min=torch.finfo(rows.dtype).tiny)


def _ordering(rows: Tensor, importance: Tensor) -> Tensor:
    """Weights (1, values) that map rows (n, values) to scores around 0 that ascend with importance
    (n,). Solved in the space of the rows, which are usually fewer than the values."""
    n = len(importance)
    ranks = importance.argsort().argsort().to(torch.float64)
    target = _SPREAD * (2 * (ranks + 0.5) / n - 1)
    rows = rows.to(torch.float64)
    gram = rows @ rows.T
    ridge = _RIDGE * gram.diagonal().mean().clamp(min=math.ulp(1.0))
    solved = torch.linalg.solve(gram + ridge * torch.eye(n, device=rows.device), target)
    weights = solved @ rows
    largest = (rows @ weights).abs().max().clamp(min=_SPREAD)
    scaled: Tensor = weights * (_SPREAD / largest)
    return scaled.unsqueeze(0)
