"""Fast widths: those that no larger width beats."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor

from lpnet.search.prices import Pricer
from lpnet.space.space import Width


def legal(width: Width) -> Tensor:
    """All legal values of a width, ascending: the multiples of its granule up to its max."""
    return torch.arange(width.granule, width.max + 1, width.granule)


def unbeaten(cost: Tensor) -> Tensor:
    """Which of ascending widths with this cost (N,) cost less than every larger one: (N,) bool.

    The last one always does.
    """
    if len(cost) == 0:
        return torch.zeros(0, dtype=torch.bool)
    later = cost.flip(0).cummin(0).values.flip(0)
    return torch.cat((cost[:-1] < later[1:], torch.ones_like(cost[:1], dtype=torch.bool)))


def fast_widths(
    pricer: Pricer, widths: Sequence[Width], at: Tensor, places: Sequence[int]
) -> list[tuple[Tensor, Tensor]]:
    """For each place: the fast values of that width, the others as in `at` (L,), and what they
    cost beyond `at` in milliseconds; ascending.

    w is fast when f(w) < f(w') for every legal w' > w; the max always is. Values are int64.
    """
    candidates = [legal(widths[place]) for place in places]
    sizes = [len(values) for values in candidates]
    if not sizes:
        return []
    owners = torch.repeat_interleave(torch.tensor(list(places)), torch.tensor(sizes))
    flat = torch.cat(candidates)
    cost = pricer.changes(at, owners.to(pricer.device), flat.to(pricer.device)).cpu()
    found = []
    for values, ms in zip(candidates, torch.split(cost, sizes), strict=True):
        keep = unbeaten(ms)
        found.append((values[keep], ms[keep]))
    return found


def thinned(values: Tensor, cost: Tensor, most: int) -> Tensor:
    """At most `most` of ascending fast values, both ends among them.

    Of each stretch it keeps the value before the greatest step up, which is where a comb has its
    teeth; where there is no comb any value will do.
    """
    if len(values) <= most:
        return values
    inner, steps = values[1:-1], (cost[2:] - cost[1:-1])
    edges = torch.linspace(0, len(inner), most - 1).round().long().tolist()
    kept = [int(inner[start + int(steps[start:stop].argmax())]) for start, stop in pairwise(edges)]
    return torch.tensor([int(values[0]), *kept, int(values[-1])])
