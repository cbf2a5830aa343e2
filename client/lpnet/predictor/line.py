"""A line through a space: latency at every legal value of one width, the others fixed."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lpnet.model.base import BoundModel, KernelContext, PartialSum
from lpnet.search.fast_widths import cheaper_than_larger
from lpnet.search.prices import KernelPricer


class Line(NamedTuple):
    """Latency in ms along ascending legal values of a width, each (N,), float64 except `values`
    (int64) and `fast` (bool).

    `low` and `high` are the predictor's interval. `touched_low` and `touched_high` treat the
    kernels that this width does not affect as known exactly: those are the same all along the
    line, so this interval tells two of its values apart. `fast`: no larger value is as cheap.
    `envelope` is the cost of a value rounded up to the next fast one of this line, linear in
    between; `Predictor.envelope` rounds each kernel by itself, and is sometimes lower.
    """

    values: Tensor
    ms: Tensor
    low: Tensor
    high: Tensor
    touched_low: Tensor
    touched_high: Tensor
    fast: Tensor
    envelope: Tensor


@torch.no_grad()
def line(
    bound: BoundModel,
    pricer: KernelPricer,
    base: Tensor,
    index: int,
    values: Tensor,
    factor: float,
) -> Line:
    """Latency with width `index` at each of ascending values (N,), the others as in `base` (L,).

    `factor` is that of the interval. Only the kernels that the width affects are priced again at
    each value.
    """
    affected, unaffected = _sums(bound, pricer, base, index, values)
    whole = unaffected + affected
    ms = whole.ms
    ratio = torch.exp(factor * whole.spread())
    affected_ms, unaffected_ms = affected.ms, unaffected.ms
    affected_ratio = torch.exp(factor * affected.spread())
    fast = cheaper_than_larger(ms)
    return Line(
        values,
        ms,
        ms / ratio,
        ms * ratio,
        unaffected_ms + affected_ms / affected_ratio,
        unaffected_ms + affected_ms * affected_ratio,
        fast,
        rounded_up(values, ms, fast),
    )


def rounded_up(values: Tensor, ms: Tensor, fast: Tensor) -> Tensor:
    """The cost (N,) in ms of ascending values (N,) rounded up to fast ones, linear in between. It
    is flat below the first fast one."""
    grid, cost = values[fast].to(ms), ms[fast]
    after = torch.searchsorted(grid, values.to(ms)).clamp(max=len(grid) - 1)
    before = (after - 1).clamp(min=0)
    gap = (grid[after] - grid[before]).clamp(min=1.0)
    part = ((values - grid[before]) / gap).clamp(0.0, 1.0)
    return torch.where(after == before, cost[after], torch.lerp(cost[before], cost[after], part))


def _sums(
    bound: BoundModel, pricer: KernelPricer, base: Tensor, index: int, values: Tensor
) -> tuple[PartialSum, PartialSum]:
    """The sum over the kernels that the width affects, at each value (N,), and the sum over all
    others, (1,)."""
    affected = pricer.affected[index].nonzero()[:, 0]
    unaffected = (~pricer.affected[index]).nonzero()[:, 0]
    context = [part.unsqueeze(-1) for part in pricer.contexts(base)]
    slopes = [part[index].unsqueeze(-1)[affected] for part in pricer.slopes]
    # Channels are affine in the width: each part becomes (K, N).
    offsets = values.to(base) - base[index]
    moved = KernelContext(
        *(part[affected] + slope * offsets for part, slope in zip(context, slopes, strict=True))
    )
    fixed = KernelContext(*(part[unaffected] for part in context))
    return bound.partial_sum(affected, moved), bound.partial_sum(unaffected, fixed)
