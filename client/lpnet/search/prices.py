"""Prices of widths that differ from a base in one place, for the units that notice only."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

# Prices are computed this many at a time: enough to be fast, little enough for the cache.
_CHUNK = 16384


class Pricing(Protocol):
    """What is needed of a bound LPNet; its own docstrings say what each method does."""

    @property
    def n_widths(self) -> int: ...

    def channels(self, widths: Tensor) -> tuple[Tensor, Tensor, Tensor]: ...

    def context(self, c_in: Tensor, c_out: Tensor) -> tuple[Tensor, Tensor]: ...

    def prices(
        self,
        units: Tensor | None,
        c_in: Tensor,
        c_out: Tensor,
        groups: Tensor,
        producer: Tensor,
        consumer: Tensor,
    ) -> Tensor: ...

    def __call__(self, widths: Tensor, /) -> Any: ...


class Pricer(Protocol):
    """What a search asks of prices; Repricer's docstrings say what each method does."""

    device: torch.device

    def total(self, widths: Tensor) -> Tensor: ...

    def changes(self, base: Tensor, places: Tensor, values: Tensor) -> Tensor: ...


class Situation(NamedTuple):
    """The channels that the price of a unit depends on, each of the same shape."""

    c_in: Tensor
    c_out: Tensor
    groups: Tensor
    producer: Tensor
    consumer: Tensor

    def at(self, index: Any) -> Situation:
        return Situation(*(part[index] for part in self))


class Repricer:
    """Prices a pricing in float64 and without gradients; ensemble members are averaged.

    `noticing` (L, U) says which units see which width, in their own channels or a neighbour's.
    """

    def __init__(self, pricing: Pricing, device: torch.device) -> None:
        self.pricing = pricing
        self.device = device
        self.n_widths = pricing.n_widths
        # Channels are affine in the widths: zero gives the constants, each unit vector a column.
        zero = torch.zeros(1, self.n_widths, dtype=torch.float64, device=device)
        eye = torch.eye(self.n_widths, dtype=torch.float64, device=device)
        found = self.situation(torch.cat((zero, eye)))
        self.constants = found.at(0)
        self.slopes = Situation(*(part[1:] - part[0] for part in found))
        self.noticing = torch.stack([part != 0 for part in self.slopes]).any(0)

    @torch.no_grad()
    def total(self, widths: Tensor) -> Tensor:
        """Milliseconds of widths (N, L): (N,)."""
        rows = widths.to(torch.float64)
        ms: Tensor = self.pricing(rows) if len(rows) else rows.new_zeros(0)
        return ms

    @torch.no_grad()
    def situation(self, widths: Tensor) -> Situation:
        """What every unit sees at widths (..., L), each (..., U)."""
        c_in, c_out, groups = self.pricing.channels(widths.to(torch.float64))
        return Situation(c_in, c_out, groups, *self.pricing.context(c_in, c_out))

    @torch.no_grad()
    def prices(self, units: Tensor, seen: Situation) -> Tensor:
        """Milliseconds of units (N,) in a situation each: (N,)."""
        parts = [
            self.pricing.prices(
                units[start : start + _CHUNK], *seen.at(slice(start, start + _CHUNK))
            ).mean(-1)
            for start in range(0, len(units), _CHUNK)
        ]
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64).to(self.device)

    def all_prices(self, widths: Tensor) -> Tensor:
        """Milliseconds of every unit at one width vector (L,): (U,)."""
        seen = self.situation(widths)
        return self.prices(torch.arange(len(seen.c_in), device=self.device), seen)

    @torch.no_grad()
    def changes(self, base: Tensor, places: Tensor, values: Tensor) -> Tensor:
        """Milliseconds gained by setting width `places[n]` of `base` (L,) to `values[n]`: (N,).

        Only the units that notice that width are priced again.
        """
        rows = base.to(torch.float64).repeat(len(places), 1)
        rows[torch.arange(len(places), device=self.device), places] = values.to(torch.float64)
        row, unit = self.noticing[places].nonzero(as_tuple=True)
        fresh = self.prices(unit, self.situation(rows).at((row, unit)))
        gained = fresh - self.all_prices(base)[unit]
        result = torch.zeros(len(places), dtype=torch.float64, device=self.device)
        return result.index_add(0, row, gained)
