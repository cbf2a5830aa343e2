"""Widths within a budget that change as little as can be."""

from __future__ import annotations

from torch import Tensor

from lpnet.search.local_search import Search
from lpnet.search.widest import Shop


def snapped(shop: Shop, widths: Tensor, near: Tensor, budget_ms: float) -> Tensor:
    """Rungs (L,) int64 within a budget, starting from the rungs `near` to widths (L,).

    The sum of |log(rung / width)| is kept small. The budget must not be below the floor; it may
    be infinite, which leaves memory as the only limit.
    """
    asked = widths.double().log()

    def closeness(rows: Tensor) -> Tensor:
        return -(rows.log() - asked).abs().sum(-1)

    search = Search(shop.pricer, shop.ladders, closeness, shop.rooms)
    inside = search.into(near, budget_ms)
    return search.improve(shop.ladders.floor if inside is None else inside, budget_ms)
