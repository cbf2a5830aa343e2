"""A line through a space: latency at every legal value of one width, the others as they are."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from lpnet.model.bound import BoundLPNet, reach_of, spread_of, weighted_hidden
from lpnet.search.fast_widths import unbeaten
from lpnet.search.prices import Repricer, Situation

# Kernels that are priced at a time: enough to be fast, little enough for the cache.
_CHUNK = 512


class Line(NamedTuple):
    """Latency in ms along ascending legal values of a width, each (N,), float64 but `values`
    (int64) and `fast` (bool).

    `low` and `high` are the predictor's interval. `touched_low` and `touched_high` are what they
    would be if the kernels that this width does not touch were known exactly: those are the same
    all along the line, so these tell two of its values apart. `fast`: no larger value is as cheap.
    `envelope` is what a value costs after rounding up to the next fast one of this line, linear
    in between; `Predictor.envelope` does so for each kernel by itself, and is lower at times.
    """

    values: Tensor
    ms: Tensor
    low: Tensor
    high: Tensor
    touched_low: Tensor
    touched_high: Tensor
    fast: Tensor
    envelope: Tensor


class _Evidence(NamedTuple):
    """What some kernels add up to: ms (..., M), and how far that is from the training data
    (..., M, D). Sums that others can be added to, unlike the spread that is made of them."""

    total: Tensor
    reach: Tensor

    def plus(self, other: _Evidence) -> _Evidence:
        return _Evidence(self.total + other.total, self.reach + other.reach)

    def spread(self, bound: BoundLPNet) -> Tensor:
        reach = self.reach / self.total.unsqueeze(-1)
        return spread_of(self.total, reach, bound.header.base_spread)


@torch.no_grad()
def line(
    bound: BoundLPNet, pricer: Repricer, base: Tensor, place: int, values: Tensor, factor: float
) -> Line:
    """Latency with the width at `place` at each of ascending values (N,), the others as in `base`
    (L,). `factor` is that of the interval. Only the kernels that the width touches are priced
    again at each value."""
    touched, rest = _along(bound, pricer, base, place, values)
    whole = rest.plus(touched)
    ms = whole.total.mean(-1)
    apart = torch.exp(factor * whole.spread(bound))
    part, still = touched.total.mean(-1), rest.total.mean(-1)
    part_apart = torch.exp(factor * touched.spread(bound))
    fast = unbeaten(ms)
    return Line(
        values,
        ms,
        ms / apart,
        ms * apart,
        still + part / part_apart,
        still + part * part_apart,
        fast,
        rounded_up(values, ms, fast),
    )


def rounded_up(values: Tensor, ms: Tensor, fast: Tensor) -> Tensor:
    """What ascending values (N,) cost after rounding up to fast ones, linear in between; flat
    below the first fast one. (N,) in ms."""
    grid, cost = values[fast].to(ms), ms[fast]
    after = torch.searchsorted(grid, values.to(ms)).clamp(max=len(grid) - 1)
    before = (after - 1).clamp(min=0)
    gap = (grid[after] - grid[before]).clamp(min=1.0)
    part = ((values - grid[before]) / gap).clamp(0.0, 1.0)
    return torch.where(after == before, cost[after], torch.lerp(cost[before], cost[after], part))


def _along(
    bound: BoundLPNet, pricer: Repricer, base: Tensor, place: int, values: Tensor
) -> tuple[_Evidence, _Evidence]:
    """Of the kernels that notice the width, at each value (N, ...), and (1, ...) of all others."""
    notices = pricer.noticing[place]
    units, others = notices.nonzero()[:, 0], (~notices).nonzero()[:, 0]
    seen = _stacked(pricer.situation(base)).unsqueeze(-1)
    slope = _stacked(pricer.slopes.at(place)).unsqueeze(-1)[:, units]
    # Channels are affine in the width: (5, U, N).
    channels = seen[:, units] + slope * (values.to(base) - base[place])
    chunks = torch.split(channels, max(1, _CHUNK // len(units)), -1)
    found = [_evidence(bound, units, chunk) for chunk in chunks]
    touched = _Evidence(*(torch.cat(parts) for parts in zip(*found, strict=True)))
    return touched, _evidence(bound, others, seen[:, others])


def _stacked(seen: Situation) -> Tensor:
    return torch.stack((seen.c_in, seen.c_out, seen.producer, seen.consumer, seen.groups))


def _evidence(bound: BoundLPNet, units: Tensor, channels: Tensor) -> _Evidence:
    """Of these kernels (U,) in situations (5, U, N)."""
    # (N, M, 2, U) and (N, M, H, U).
    terms, hidden = (part.movedim(-1, 0) for part in bound.terms_along(units, channels))
    weighted = weighted_hidden(terms, hidden)
    return _Evidence(terms.sum((-1, -2)), reach_of(weighted, bound.leverage.to(weighted)))
