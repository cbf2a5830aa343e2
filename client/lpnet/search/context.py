"""What all searches within a budget share: prices, rungs, and the memory of the target."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lpnet.errors import BudgetTooSmall
from lpnet.search.ascent import AscentProblem, ascend
from lpnet.search.ladders import Ladders
from lpnet.search.local_search import LocalSearch
from lpnet.search.memory import TargetMemories
from lpnet.search.prices import Pricer

# A prediction in float32 differs from ours in float64 by less than this share.
ROUNDING = 1e-5


@dataclass(frozen=True)
class SearchContext:
    """Prices, rungs and the problem of the ascent. `memories` None: no limit is known."""

    pricer: Pricer
    ladders: Ladders
    problem: AscentProblem
    memories: TargetMemories | None = None

    def capacity(self, widths: Tensor) -> Tensor:
        """Log MACs of widths (N, L): (N,)."""
        with torch.no_grad():
            macs: Tensor = self.problem.macs(widths.to(self.pricer.device))
        return macs.cpu().log()

    @cached_property
    def dense_ms(self) -> float:
        return self.local_search().ms(self.ladders.top)

    def local_search(self) -> LocalSearch:
        return LocalSearch(self.pricer, self.ladders, self.capacity, self.memories)

    def may_fit(self, widths: Tensor) -> bool:
        return self.memories is None or bool(self.memories.may_fit(widths[None]))

    def ascended(self, budgets: Tensor, seed: int) -> Tensor:
        """The rungs (B, L) nearest to the end of the ascent for budgets (B,)."""
        device = self.pricer.device

        def total(widths: Tensor) -> Tensor:
            return self.pricer.total(widths.to(device))

        widths = ascend(self.problem, self.ladders, total, budgets.to(device), seed=seed)
        return self.ladders.nearest(widths.cpu())

    def effective_budget(self, budget_ms: float) -> float:
        """The budget less the rounding that a prediction may add.

        A budget that equals the floor or the dense latency is met exactly. Raises BudgetTooSmall
        below the floor.
        """
        floor, dense = self.ladders.floor_ms, self.dense_ms
        if not floor <= budget_ms * (1 + ROUNDING):
            detail = "" if self.memories is None else "of those that fit in the target's memory"
            raise BudgetTooSmall(budget_ms, floor, detail)
        if dense <= budget_ms * (1 + ROUNDING):
            return max(budget_ms, dense)
        return max(budget_ms * (1 - ROUNDING), floor)
