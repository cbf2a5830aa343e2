"""Predictors that stand in for an LPNet: FLOPs, and the paper's MLP on the width vector.

They are `PruningPredictor`s. Neither knows which widths are fast: FLOPs are rounded to a multiple,
as users do, and the MLP's widths to whole numbers, as the paper does.
"""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.neural_network import MLPRegressor
from torch import Tensor, nn

from lpnet.errors import BudgetTooSmall, LpnetError
from lpnet.search.macs import Macs
from lpnet.space.space import Space


class _StandIn(nn.Module):
    """Widths to what is compared with the budget; legal widths are multiples of `step`."""

    def __init__(self, space: Space, step: int, target: str) -> None:
        super().__init__()
        self.space, self.step, self.target = space, step, target
        self.batch = space.batch
        self.widths = tuple(width.name for width in space.widths)
        self.high = torch.tensor([float(width.max) for width in space.widths]).double()
        granule = torch.tensor([float(width.granule) for width in space.widths]).double()
        self.low = torch.minimum(torch.clamp(granule, min=step), self.high)

    @abstractmethod
    def price(self, widths: Tensor) -> Tensor:
        """The predicted value of widths (..., L): (...,)."""

    def forward(self, widths: Tensor | Mapping[str, int]) -> Tensor:
        if isinstance(widths, Mapping):
            widths = torch.tensor([float(widths[name]) for name in self.widths])
        return self.price(widths)

    def envelope(self, widths: Tensor) -> Tensor:
        return self.price(widths)

    def interval(
        self, widths: Tensor | Mapping[str, int], coverage: float
    ) -> tuple[Tensor, Tensor]:
        raise LpnetError(f"{type(self).__name__} has no intervals")

    def snap(self, widths: Tensor, budget_ms: float | None = None) -> Tensor:
        """The nearest multiples; then the width that was rounded up most goes down, until the
        budget is met."""
        target = widths.double()
        snapped = self._legal(target)
        while budget_ms is not None and float(self.price(snapped)) > budget_ms:
            rounded_up = torch.where(snapped > self.low, snapped / target, -1.0)
            if float(rounded_up.max()) < 0:
                raise BudgetTooSmall(budget_ms, float(self.price(self.low)))
            index = int(rounded_up.argmax())
            snapped[index] = max(float(self.low[index]), float(snapped[index]) - self.step)
        return snapped.long()

    def fill(self, widths: Tensor, budget_ms: float) -> Tensor:
        """Rounding leaves little to fill."""
        return widths

    def widest(self, budget_ms: float, *, keep: float = 0.0, thorough: bool = True) -> Tensor:
        """Methods only check that there are such widths. A prediction for the narrowest network is
        far outside the data, so no budget is refused before training."""
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
        macs: Tensor = self._macs(widths)
        return macs / 1e6


class WidthMLP(_StandIn):
    """One MLP from the widths of one space to its latency, ms, like the LPNet of the paper; tuned
    by cross-validation on its training samples."""

    def __init__(self, space: Space, rows: Sequence[Mapping[str, Any]], target: str) -> None:
        super().__init__(space, 1, target)
        vectors = np.array([[row["widths"][name] for name in self.widths] for row in rows])
        logs = np.log([row["ms"] for row in rows])
        self._mean, self._deviation = float(logs.mean()), float(logs.std())
        search = GridSearchCV(
            MLPRegressor(solver="lbfgs", max_iter=400, random_state=0),
            {"alpha": [1e-2, 1e-1, 1.0], "hidden_layer_sizes": [(32, 32), (128, 128)]},
            cv=KFold(5, shuffle=True, random_state=0),
            scoring="neg_mean_squared_error",
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            search.fit(vectors / self.high.numpy(), (logs - self._mean) / self._deviation)
        best = search.best_estimator_
        pairs = zip(best.coefs_, best.intercepts_, strict=True)
        self._layers = [(torch.from_numpy(w), torch.from_numpy(b)) for w, b in pairs]

    def price(self, widths: Tensor) -> Tensor:
        hidden = widths.double() / self.high
        for number, (weight, bias) in enumerate(self._layers):
            hidden = (torch.relu(hidden) if number else hidden) @ weight + bias
        ms: Tensor = torch.exp(hidden.squeeze(-1) * self._deviation + self._mean)
        return ms.to(widths.dtype)
