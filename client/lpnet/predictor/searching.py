"""From milliseconds to widths: the searches of a predictor."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Self

from torch import Tensor

from lpnet.errors import LpnetError
from lpnet.predictor import width_checks
from lpnet.predictor.base import BasePredictor
from lpnet.predictor.width_checks import WidthsLike
from lpnet.search.prices import Pricer
from lpnet.search.reachable import Reachable
from lpnet.search.threads import one_thread
from lpnet.search.width_search import WidthSearch


class SearchingPredictor(BasePredictor):
    """A predictor that finds widths: fast ones, and those within a latency budget."""

    @one_thread()
    def fast_widths(self, name: str, at: WidthsLike | None = None) -> list[int]:
        """Values of a width that are cheaper than every larger one, ascending. Its max is always
        one.

        A value w is fast if forward at w is less than at every larger legal value, with the other
        widths as in `at` (L,), by default at their max. Raises WidthsError for an unknown name.
        """
        index = self._index(name)
        if at is None:
            values = self._search.fast[index][0]
        else:
            values = self._search.fast_values_at(index, self._vector(at))
        return [int(value) for value in values]

    @one_thread()
    def snap(self, widths: WidthsLike, budget_ms: float | None = None) -> Tensor:
        """The nearest fast widths, up or down, by ratio: int64, shaped as `widths`.

        With a budget, forward at the result is within it, and a local search keeps the sum of
        |log(new / old)| small. Values at the lowest latency are then allowed too, fast or not.
        Widths that do not fit in the target's memory are never returned. Raises BudgetTooSmall if
        the lowest latency of the space is above the budget, NothingFits if no widths fit.
        """
        tensor = self._tensor(widths).detach()
        width_checks.require_in_range(tensor, self.low, self.high, self.widths)
        budget = None if budget_ms is None else _finite(budget_ms)
        return self._search.snap(tensor.cpu(), budget).to(tensor.device)

    @one_thread()
    def fill(self, widths: WidthsLike, budget_ms: float) -> Tensor:
        """Legal widths (L,), raised to fast values for as long as a step is within the budget,
        the step with the most MACs per ms first: int64.

        No width is lowered. Widths above the budget already are returned as they are. Raises
        DoesNotFit for widths that do not fit in the target's memory; no step goes beyond it.
        """
        vector = self._vector(widths)
        self.check(vector)
        return self._search.fill(vector.long().cpu(), _finite(budget_ms)).to(vector.device)

    @one_thread()
    def widest(
        self, budget_ms: float, *, keep: float = 0.0, seed: int = 0, thorough: bool = True
    ) -> Tensor:
        """Widths (L,) int64 within the budget, with as many MACs as the search reaches.

        The search follows the gradient of the envelope from several starts, drawn with `seed`, and
        also reduces the dense network step by step. An exact local search over fast widths
        continues from both. With `thorough=False` it is several times faster and reaches a few
        percent fewer MACs. No width goes below the share `keep` of its max, because predictions
        for widths much narrower than the measured ones are unreliable. Widths that do not fit in
        the target's memory are never returned. Raises BudgetTooSmall, naming the lowest latency of
        such widths, and NothingFits if none fit.
        """
        budget = _finite(budget_ms)
        widths = self._search.widest(budget, keep=_share(keep), seed=seed, thorough=thorough)
        return widths.to(self.low.device)

    @one_thread()
    def reachable(self, points: int = 20, *, keep: float = 0.0, seed: int = 0) -> Reachable:
        """The lowest latency, and the highest capacity for `points` budgets from there to the
        dense latency.

        No width goes below the share `keep` of its max. Each point comes from a quicker search
        than that of `widest`. Widths that do not fit in the target's memory are never returned.
        Raises NothingFits if no widths fit.
        """
        if points < 2:
            raise ValueError(f"points must be at least 2, got {points}")
        return self._search.reachable(points, keep=_share(keep), seed=seed)

    @property
    @abstractmethod
    def _pricer(self) -> Pricer: ...

    # Computed at the first use, and again after the module moves to another device.

    @cached_property
    def _search(self) -> WidthSearch:
        return WidthSearch(
            self.space, self._pricer, self._envelope_ms, self.memories, self.low, self.high
        )

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        for name in ("_envelope", "_pricer", "_search"):
            self.__dict__.pop(name, None)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


def _finite(budget_ms: float) -> float:
    if not math.isfinite(budget_ms):
        raise LpnetError(f"budget_ms must be a finite number of milliseconds, got {budget_ms}")
    return float(budget_ms)


def _share(keep: float) -> float:
    if not 0.0 <= keep <= 1.0:
        raise ValueError(f"keep must be a share between 0 and 1, got {keep}")
    return keep
