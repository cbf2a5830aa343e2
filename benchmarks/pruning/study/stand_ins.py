"""What a pruning job has in place of an LPNet: FLOPs, or the paper's MLP on the width vector.

They offer what `WGates` asks of a predictor. Neither knows which widths are fast: FLOPs are
rounded to a multiple, as users do, and the MLP's widths to whole numbers, as the paper does.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neural_network import MLPRegressor
from torch import Tensor, nn

from lpnet.errors import BudgetTooSmall
from lpnet.search.macs import Macs
from lpnet.space.space import Space


class _StandIn(nn.Module):
    """Widths in, what is held against the budget out; legal widths are multiples of `step`."""

    def __init__(self, space: Space, step: int, target: str) -> None:
        super().__init__()
        self.space, self.step, self.target = space, step, target
        self.batch = space.batch
        self.widths = tuple(width.name for width in space.widths)
        self.high = torch.tensor([float(width.max) for width in space.widths]).double()
        grain = torch.tensor([float(width.granule) for width in space.widths]).double()
        self.low = torch.minimum(torch.clamp(grain, min=step), self.high)

    def price(self, widths: Tensor) -> Tensor:
        raise NotImplementedError

    def forward(self, widths: Tensor | Mapping[str, int]) -> Tensor:
        if isinstance(widths, Mapping):
            widths = torch.tensor([float(widths[name]) for name in self.widths])
        return self.price(widths)

    def envelope(self, widths: Tensor) -> Tensor:
        return self.price(widths)

    def snap(self, widths: Tensor, budget_ms: float | None = None) -> Tensor:
        """The nearest multiples; then the width that was rounded up most goes down, until the
        budget is met."""
        wanted = widths.double()
        found = self._legal(wanted)
        while budget_ms is not None and float(self.price(found)) > budget_ms:
            gain = torch.where(found > self.low, found / wanted, -1.0)
            if float(gain.max()) < 0:
                raise BudgetTooSmall(budget_ms, float(self.price(self.low)))
            place = int(gain.argmax())
            found[place] = max(float(self.low[place]), float(found[place]) - self.step)
        return found.long()

    def fill(self, widths: Tensor, budget_ms: float) -> Tensor:
        """Rounding leaves little to fill."""
        return widths

    def widest(self, budget_ms: float, *, keep: float = 0.0, thorough: bool = True) -> Tensor:
        """Only asked whether there are any. What these say of the narrowest network is a guess
        from afar, so nothing is refused before training."""
        return self.low.long()

    def _legal(self, widths: Tensor) -> Tensor:
        rounded = (widths / self.step).round() * self.step
        return torch.minimum(torch.maximum(rounded, self.low), self.high)


class Flops(_StandIn):
    """The MACs of one inference, in millions."""

    def __init__(self, space: Space, step: int) -> None:
        super().__init__(space, step, "macs")
        self._macs = Macs(space.table)

    def price(self, widths: Tensor) -> Tensor:
        found: Tensor = self._macs(widths) / 1e6
        return found


class WidthMLP(_StandIn):
    """One MLP from the widths of one space to its latency, ms, as the paper's LPNet is; tuned by
    cross-validation on what it learns from."""

    def __init__(self, space: Space, rows: Sequence[Mapping[str, Any]], target: str) -> None:
        super().__init__(space, 1, target)
        vectors = np.array([[row["widths"][name] for name in self.widths] for row in rows])
        logs = np.log([row["ms"] for row in rows])
        self._middle, self._spread = float(logs.mean()), float(logs.std())
        search = GridSearchCV(
            MLPRegressor(solver="lbfgs", max_iter=400, random_state=0),
            {"alpha": [1e-2, 1e-1, 1.0], "hidden_layer_sizes": [(32, 32), (128, 128)]},
            cv=KFold(5, shuffle=True, random_state=0),
            scoring="neg_mean_squared_error",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            search.fit(vectors / self.high.numpy(), (logs - self._middle) / self._spread)
        best = search.best_estimator_
        pairs = zip(best.coefs_, best.intercepts_, strict=True)
        self._layers = [(torch.from_numpy(w), torch.from_numpy(b)) for w, b in pairs]

    def price(self, widths: Tensor) -> Tensor:
        inside = widths.double() / self.high
        for number, (weight, bias) in enumerate(self._layers):
            inside = (torch.relu(inside) if number else inside) @ weight + bias
        found: Tensor = torch.exp(inside.squeeze(-1) * self._spread + self._middle)
        return found.to(widths.dtype)
