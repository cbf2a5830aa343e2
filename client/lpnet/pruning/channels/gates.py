"""The gates of one width: a score per channel, made of the weights that give the channel."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from lpnet.pruning.channels.filters import filters, magnitude
from lpnet.pruning.channels.members import Member
from lpnet.pruning.channels.threshold import step
from lpnet.space.axis import Width

# Scores begin here, spread by importance: open, and where the derivative of the step is not 0.
_MIDDLE, _SPREAD = 0.25, 0.2
_RIDGE = 1e-3


class Gates(nn.Module):
    """Gates of a width, max / granule of them.

    The filters that give a channel, of all members, are flattened, divided by their layer's mean
    magnitude and by how many values they are, and a fully connected layer takes them to one
    score. (Divided so, a step of Adam moves the scores of every layer by about its learning rate,
    however large the layer.)

    The layer begins as the ridge regression that puts the scores in the order of the filters'
    magnitudes, between 0.05 and 0.45: everything is open, and the least important closes first.
    Where filters have fewer values than there are channels no layer can order them all: there the
    order is rough.
    """

    def __init__(self, width: Width, members: Sequence[Member], model: nn.Module) -> None:
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
        found: Tensor = self.score.bias
        start, values = 0, self.score.in_features
        for rows in filters(self.width, self._members, model):
            # What divides the filters divides the layer's weights instead, which are fewer.
            share = self.score.weight[0, start : start + rows.shape[1]] / (_size(rows) * values)
            found = found + rows @ share
            start += rows.shape[1]
        return found

    def open(self, scores: Tensor) -> Tensor:
        """Which are open: 1.0 or 0.0 for each score. Never none: where no score is positive the
        highest is taken for one."""
        known = scores.detach()
        best = known.argmax()
        # Without asking the device whether it is needed. Just above the step, where the stand-in
        # for its derivative pulls both ways.
        alone = (torch.arange(len(scores), device=scores.device) == best) & (known[best] <= 0)
        least = torch.finfo(scores.dtype).tiny
        return step(torch.where(alone, scores - known + least, scores))

    def weights(self, model: nn.Module) -> list[Tensor]:
        """All weights that the scores are made of."""
        filters = [model.get_submodule(member.module).weight for member in self._members]
        layer = [self.score.weight, self.score.bias]
        return [*layer, *(weight for weight in filters if isinstance(weight, Tensor))]

    def _rows(self, model: nn.Module) -> Tensor:
        """Inputs of the fully connected layer (max / granule, values)."""
        given = filters(self.width, self._members, model)
        together = torch.cat([rows / _size(rows) for rows in given], dim=1)
        return together / together.shape[1]


def _size(rows: Tensor) -> Tensor:
    """Mean magnitude of a layer's filters, a scalar; they are not held to account for it."""
    total = torch.linalg.vector_norm(rows.detach(), ord=1)
    return torch.clamp(total / rows.numel(), min=torch.finfo(rows.dtype).tiny)


def _ordering(rows: Tensor, importance: Tensor) -> Tensor:
    """Weights (1, values) that take rows (n, values) to scores, less their middle, that ascend
    with importance (n,). Solved in the rows' space, since there are mostly fewer of them."""
    n = len(importance)
    ranks = importance.argsort().argsort().to(torch.float64)
    wanted = _SPREAD * (2 * (ranks + 0.5) / n - 1)
    rows = rows.to(torch.float64)
    gram = rows @ rows.T
    ridge = _RIDGE * gram.diagonal().mean().clamp(min=math.ulp(1.0))
    solved = torch.linalg.solve(gram + ridge * torch.eye(n, device=rows.device), wanted)
    weights = solved @ rows
    reached = (rows @ weights).abs().max().clamp(min=_SPREAD)
    scaled: Tensor = weights * (_SPREAD / reached)
    return scaled.unsqueeze(0)
