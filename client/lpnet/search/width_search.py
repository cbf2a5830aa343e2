"""The searches over the widths of a space, and the results that they share."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from lpnet.search.ascent import AscentProblem
from lpnet.search.context import ROUNDING, SearchContext
from lpnet.search.fast_widths import fast_widths
from lpnet.search.ladders import ladders, nearest
from lpnet.search.macs import Macs
from lpnet.search.memory import TargetMemories
from lpnet.search.prices import Pricer
from lpnet.search.reachable import Reachable, reachable
from lpnet.search.snap import snapped
from lpnet.search.widest import widest
from lpnet.space.space import Space

# Fast values of each width, on each target that the network has to suit.
FastValues = Sequence[Sequence[Tensor]]


class WidthSearch:
    """Searches over the widths of a space on a target, or on several.

    `high` (L,) are the dense widths, on the pricer's device. `fast_values`, by default those of
    the pricer alone, gives the values that a search may step along. SearchingPredictor documents
    the results of `snap`, `fill`, `widest` and `reachable`.
    """

    def __init__(
        self,
        space: Space,
        pricer: Pricer,
        envelope: Callable[[Tensor], Tensor],
        memories: TargetMemories,
        low: Tensor,
        high: Tensor,
        fast_values: Callable[[], FastValues] | None = None,
    ) -> None:
        self.space, self.pricer, self.memories = space, pricer, memories
        self._envelope, self._low, self._high = envelope, low, high
        self._fast_values = fast_values
        self._contexts: dict[float, SearchContext] = {}

    @cached_property
    def fast(self) -> list[tuple[Tensor, Tensor]]:
        """The fast values and their cost for each width, with the others dense."""
        indices = range(len(self.space.widths))
        return fast_widths(self.pricer, self.space.widths, self._high, indices)

    @cached_property
    def ladder_values(self) -> FastValues:
        if self._fast_values is not None:
            return self._fast_values()
        return [(values,) for values, _ in self.fast]

    def context(self, keep: float = 0.0) -> SearchContext:
        """Shared by all searches that keep every width at or above the share `keep` of its max."""
        if keep not in self._contexts:
            widths = self.space.widths
            memories = self.memories if self.memories.limited else None
            rungs = ladders(self.pricer, widths, self.ladder_values, keep, memories)
            low = torch.maximum(self._low, keep * self._high)
            macs = Macs(self.space.table).to(self._low.device)
            problem = AscentProblem(self._envelope, macs, low, self._high)
            self._contexts[keep] = SearchContext(self.pricer, rungs, problem, memories)
        return self._contexts[keep]

    def fast_values_at(self, index: int, base: Tensor) -> Tensor:
        return fast_widths(self.pricer, self.space.widths, base, [index])[0][0]

    def snap(self, widths: Tensor, budget_ms: float | None) -> Tensor:
        budget = None if budget_ms is None else self.context().effective_budget(budget_ms)
        near = nearest([values for values, _ in self.fast], widths)
        for row in np.ndindex(widths.shape[:-1]):
            if budget is not None or not bool(self.memories.may_fit(near[row][None])):
                limit = math.inf if budget is None else budget
                near[row] = snapped(self.context(), widths[row], near[row], limit)
        return near

    def fill(self, widths: Tensor, budget_ms: float) -> Tensor:
        return self.context().local_search().fill(widths, budget_ms * (1 - ROUNDING))

    def widest(self, budget_ms: float, *, keep: float, seed: int, thorough: bool) -> Tensor:
        return widest(self.context(keep), budget_ms, seed, thorough)

    def reachable(self, points: int, *, keep: float, seed: int) -> Reachable:
        names = [width.name for width in self.space.widths]
        return reachable(self.context(keep), names, points, seed)
