"""What a space can reach on a target before any training: its floor, and capacity against ms."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lpnet.search.widest import Shop


@dataclass(frozen=True)
class FrontPoint:
    """The most capacity found within `budget_ms`; `capacity` is the share of the dense MACs."""

    budget_ms: float
    latency_ms: float
    macs: int
    capacity: float
    widths: dict[str, int]


@dataclass(frozen=True)
class Reachable:
    """`floor_ms` is the least latency found, at `floor_widths`; `front` ascends in ms."""

    floor_ms: float
    dense_ms: float
    floor_widths: dict[str, int]
    front: tuple[FrontPoint, ...]


def front(shop: Shop, budgets: Tensor, seed: int) -> list[tuple[float, Tensor]]:
    """Per budget of ascending budgets (B,), the budget and widths (L,) of the most MACs found.

    A larger budget never buys less: it may spend what a smaller one found.
    """
    search, found = shop.search(), list[tuple[float, Tensor]]()
    best = shop.ladders.floor
    for asked, near in zip(budgets.tolist(), shop.ascended(budgets, seed), strict=True):
        budget = shop.within(asked)
        landed = search.into(near, budget)
        rows = [best] if landed is None else [best, landed]
        if shop.dense_ms <= budget and shop.holds(shop.ladders.top):
            rows.append(shop.ladders.top)
        start = torch.stack(rows)
        best = start[int(shop.capacity(start).argmax())]
        best = search.improve(best, budget, swaps=False)
        found.append((asked, best))
    return found
