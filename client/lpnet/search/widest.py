"""As much capacity as a latency budget buys."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lpnet.errors import BudgetTooSmall
from lpnet.search.ascent import Slope, ascend
from lpnet.search.ladders import Ladders
from lpnet.search.local_search import Search
from lpnet.search.memory import Rooms
from lpnet.search.prices import Pricer

# Starts of the ascent; of the widths they lead to, so many are searched around to the end.
_STARTS = 12
_FINALS = 3
# Then the best is thrown off so often, so many of its widths, by up to so many rungs.
_KICKS = 24
_THROWN = 5
_FAR = 4
# A prediction in float32 differs from ours in float64 by less than this share.
ROUNDING = 1e-5


@dataclass(frozen=True)
class Shop:
    """What a budget is spent with: prices, rungs, the slopes to climb, and the memory that what
    is bought has to fit in; None: it has no known end."""

    pricer: Pricer
    ladders: Ladders
    slope: Slope
    rooms: Rooms | None = None

    def capacity(self, widths: Tensor) -> Tensor:
        """Log MACs of widths (N, L): (N,)."""
        with torch.no_grad():
            macs: Tensor = self.slope.macs(widths.to(self.pricer.device))
        return macs.cpu().log()

    @cached_property
    def dense_ms(self) -> float:
        """Milliseconds with every width at its max."""
        return self.search().ms(self.ladders.top)

    def search(self) -> Search:
        return Search(self.pricer, self.ladders, self.capacity, self.rooms)

    def holds(self, widths: Tensor) -> bool:
        """Whether widths (L,) are not known not to fit."""
        return self.rooms is None or bool(self.rooms.holds(widths[None]))

    def ascended(self, budgets: Tensor, seed: int) -> Tensor:
        """The rungs (B, L) nearest to where the ascent for budgets (B,) ends."""
        device = self.pricer.device

        def total(widths: Tensor) -> Tensor:
            return self.pricer.total(widths.to(device))

        found = ascend(self.slope, self.ladders, total, budgets.to(device), seed=seed)
        return self.ladders.nearest(found.cpu())

    def within(self, budget_ms: float) -> float:
        """The budget, less what rounding may add; the least, or all, asked for to the last digit
        is met, whatever rounding did to it. Raises BudgetTooSmall below the floor."""
        floor, dense = self.ladders.floor_ms, self.dense_ms
        if not floor <= budget_ms * (1 + ROUNDING):
            detail = "" if self.rooms is None else "of those that fit in the target's memory"
            raise BudgetTooSmall(budget_ms, floor, detail)
        if dense <= budget_ms * (1 + ROUNDING):
            return max(budget_ms, dense)
        return max(budget_ms * (1 - ROUNDING), floor)


def widest(shop: Shop, budget_ms: float, seed: int, thorough: bool) -> Tensor:
    """Widths (L,) int64 of the most MACs found whose predicted latency is within the budget."""
    budget = shop.within(budget_ms)
    search, top = shop.search(), shop.ladders.top
    if shop.dense_ms <= budget and shop.holds(top):
        return top
    budgets = torch.full((_STARTS,), budget, dtype=torch.float64)
    ascended = torch.unique(shop.ascended(budgets, seed), dim=0)
    landed = [search.into(row, budget) for row in ascended]
    inside = torch.stack([shop.ladders.floor, *(row for row in landed if row is not None)])
    order = shop.capacity(inside).argsort(descending=True, stable=True)[
        : _FINALS if thorough else 1
    ]
    chosen = [inside[index] for index in order]
    # Stripping the dense network step by step goes elsewhere, and sometimes further.
    stripped = search.into(top, budget)
    ends = [search.improve(row, budget) for row in (*chosen, stripped) if row is not None]
    best = ends[int(shop.capacity(torch.stack(ends)).argmax())]
    return _kicked(shop, search, best, budget, seed) if thorough else best


def _kicked(shop: Shop, search: Search, best: Tensor, budget: float, seed: int) -> Tensor:
    """Throws a few widths off by some rungs, searches again, and keeps what became better."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(_KICKS):
        thrown = best.clone()
        for place in torch.randperm(len(best), generator=generator)[:_THROWN].tolist():
            rungs = shop.ladders.rungs[place]
            here = int(torch.searchsorted(rungs, int(best[place])))
            off = int(torch.randint(-_FAR, _FAR + 1, (), generator=generator))
            thrown[place] = rungs[min(max(here + off, 0), len(rungs) - 1)]
        landed = search.into(thrown, budget)
        if landed is None:
            continue
        end = search.improve(landed, budget)
        if float(shop.capacity(end[None])[0]) > float(shop.capacity(best[None])[0]):
            best = end
    return best
