"""What a space can reach on a target before any training: its floor, and capacity against ms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lpnet.search.context import SearchContext


@dataclass(frozen=True)
class FrontPoint:
    """The highest capacity within `budget_ms`; `capacity` is the share of the dense MACs."""

    budget_ms: float
    latency_ms: float
    macs: int
    capacity: float
    widths: dict[str, int]


@dataclass(frozen=True)
class Reachable:
    """`floor_ms` is the lowest latency of the search, at `floor_widths`; `front` ascends in ms."""

    floor_ms: float
    dense_ms: float
    floor_widths: dict[str, int]
    front: tuple[FrontPoint, ...]


def reachable(context: SearchContext, names: Sequence[str], points: int, seed: int) -> Reachable:
    """The floor, and the front at `points` budgets from there to the dense latency. `names` are
    the names of the widths."""
    floor_ms, dense_ms = context.ladders.floor_ms, context.dense_ms
    if floor_ms < dense_ms:
        budgets = torch.linspace(floor_ms, dense_ms, points, dtype=torch.float64)
        front = _front(context, budgets, seed)
    else:
        top = context.ladders.top
        best = top if context.may_fit(top) else context.ladders.floor
        front = [(max(dense_ms, floor_ms), best)]
    return Reachable(
        floor_ms=floor_ms,
        dense_ms=dense_ms,
        floor_widths=_named(names, context.ladders.floor),
        front=tuple(_point(context, names, budget, widths) for budget, widths in front),
    )


def _front(context: SearchContext, budgets: Tensor, seed: int) -> list[tuple[float, Tensor]]:
    """The budget and the widths (L,) with the most MACs, for each of ascending budgets (B,).

    A larger budget never has fewer MACs, because its search starts from the result of the smaller
    one.
    """
    search, front = context.local_search(), list[tuple[float, Tensor]]()
    best = context.ladders.floor
    for budget_ms, near in zip(budgets.tolist(), context.ascended(budgets, seed), strict=True):
        budget = context.effective_budget(budget_ms)
        reduced = search.reduce(near, budget)
        rows = [best] if reduced is None else [best, reduced]
        if context.dense_ms <= budget and context.may_fit(context.ladders.top):
            rows.append(context.ladders.top)
        starts = torch.stack(rows)
        best = starts[int(context.capacity(starts).argmax())]
        best = search.improve(best, budget, swaps=False)
        front.append((budget_ms, best))
    return front


def _point(
    context: SearchContext, names: Sequence[str], budget_ms: float, widths: Tensor
) -> FrontPoint:
    macs = context.problem.macs(torch.stack((widths, context.ladders.top)).to(context.problem.low))
    return FrontPoint(
        budget_ms=budget_ms,
        latency_ms=context.local_search().ms(widths),
        macs=round(float(macs[0])),
        capacity=float(macs[0] / macs[1]) if macs[1] else 1.0,
        widths=_named(names, widths),
    )


def _named(names: Sequence[str], widths: Tensor) -> dict[str, int]:
    return {name: int(count) for name, count in zip(names, widths, strict=True)}
