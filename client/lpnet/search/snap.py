"""Widths within a budget that change as little as possible."""

from __future__ import annotations

from torch import Tensor

from lpnet.search.context import SearchContext
from lpnet.search.local_search import LocalSearch


def snapped(context: SearchContext, widths: Tensor, near: Tensor, budget_ms: float) -> Tensor:
    """Rungs (L,) int64 within a budget. The search starts from `near`, the rungs near widths (L,).

    The sum of |log(rung / width)| is kept small. The budget must not be below the floor. If it is
    infinite, memory is the only limit.
    """
    target = widths.double().log()

    def closeness(rows: Tensor) -> Tensor:
        return -(rows.log() - target).abs().sum(-1)

    search = LocalSearch(context.pricer, context.ladders, closeness, context.memories)
    within = search.reduce(near, budget_ms)
    return search.improve(context.ladders.floor if within is None else within, budget_ms)
