"""The nearest fast widths, within a budget where one is given."""

from __future__ import annotations

from torch import Tensor

from lpnet.predictor.ladder import Ladders
from lpnet.predictor.reprice import Repricer
from lpnet.predictor.search import Search


def snapped(
    repricer: Repricer, ladders: Ladders, widths: Tensor, budget_ms: float | None
) -> Tensor:
    """Rungs (L,) int64 near widths (L,): the sum of |log(rung / width)| is kept small.

    The budget must not be below the floor of the ladders.
    """
    near = ladders.nearest(widths)
    if budget_ms is None:
        return near
    asked = widths.detach().double().cpu().log()

    def closeness(rows: Tensor) -> Tensor:
        return -(rows.log() - asked).abs().sum(-1)

    search = Search(repricer, ladders, closeness)
    inside = search.into(near, budget_ms)
    return search.improve(ladders.floor if inside is None else inside, budget_ms)
