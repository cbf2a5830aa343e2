"""Fast widths: those that are cheaper than every larger one."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from lpnet.search.prices import Pricer
from lpnet.space.space import Width


def legal_values(width: Width) -> Tensor:
    """The multiples of its granule up to its max, ascending."""
    return torch.arange(width.granule, width.max + 1, width.granule)


def cheaper_than_larger(cost: Tensor) -> Tensor:
    """(N,) bool: which of ascending widths with this cost (N,) cost less than every larger one.

    The last one always does.
    """
    if len(cost) == 0:
        return torch.zeros(0, dtype=torch.bool)
    min_from = cost.flip(0).cummin(0).values.flip(0)
    return torch.cat((cost[:-1] < min_from[1:], torch.ones_like(cost[:1], dtype=torch.bool)))


def fast_widths(
    pricer: Pricer, widths: Sequence[Width], at: Tensor, indices: Sequence[int]
) -> list[tuple[Tensor, Tensor]]:
    """The fast values and their cost for each width in `indices`, both ascending.

    The other widths are as in `at` (L,), and the cost is in milliseconds beyond that of `at`. w is
    fast when f(w) < f(w') for every legal w' > w; the max always is. Values are int64.
    """
    candidates = [legal_values(widths[index]) for index in indices]
    sizes = [len(values) for values in candidates]
    if not sizes:
        return []
    width_of = torch.repeat_interleave(torch.tensor(list(indices)), torch.tensor(sizes))
    flat = torch.cat(candidates)
    cost = pricer.changes(at, width_of.to(pricer.device), flat.to(pricer.device)).cpu()
    fast = []
    for values, ms in zip(candidates, torch.split(cost, sizes), strict=True):
        keep = cheaper_than_larger(ms)
        fast.append((values[keep], ms[keep]))
    return fast


def thinned(values: Tensor, cost: Tensor, max_count: int) -> Tensor:
    """At most `max_count` of ascending fast values, including both ends.

    Of each stretch, the value before the greatest step up remains, because latency steps there. If
    there is no such step, any value will do.
    """
    if len(values) <= max_count:
        return values
    inner, steps = values[1:-1], (cost[2:] - cost[1:-1])
    edges = torch.linspace(0, len(inner), max_count - 1).round().long().tolist()
    kept = [int(inner[start + int(steps[start:stop].argmax())]) for start, stop in pairwise(edges)]
    return torch.tensor([int(values[0]), *kept, int(values[-1])])
