"""Prices of widths that differ from a base in one width: only the affected kernels are priced."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from lpnet.model.base import BoundModel, KernelContext

# Prices are computed this many at a time: enough to be fast, little enough for the cache.
_CHUNK = 16384


class Pricer(Protocol):
    """What a search needs to price widths."""

    device: torch.device

    def total(self, widths: Tensor) -> Tensor:
        """Milliseconds of widths (N, L): (N,)."""

    def changes(self, base: Tensor, indices: Tensor, values: Tensor) -> Tensor:
        """Milliseconds added by setting width `indices[n]` of `base` (L,) to `values[n]`: (N,)."""


class KernelPricer:
    """Prices of a bound model, in float64 and without gradients.

    `affected` (L, U) says which kernels depend on which width, through their own channels or a
    neighbour's. `constants` and `slopes` are the affine maps from widths to contexts.
    """

    def __init__(self, model: BoundModel, device: torch.device) -> None:
        self.model = model
        self.device = device
        self.n_widths = model.n_widths
        # Channels are affine in the widths: zero gives the constants, each unit vector a column.
        zero = torch.zeros(1, self.n_widths, dtype=torch.float64, device=device)
        eye = torch.eye(self.n_widths, dtype=torch.float64, device=device)
        corners = self.contexts(torch.cat((zero, eye)))
        self.constants = corners.at(0)
        self.slopes = KernelContext(*(part[1:] - part[0] for part in corners))
        self.affected = torch.stack([part != 0 for part in self.slopes]).any(0)

    @torch.no_grad()
    def total(self, widths: Tensor) -> Tensor:
        rows = widths.to(torch.float64)
        ms: Tensor = self.model(rows) if len(rows) else rows.new_zeros(0)
        return ms

    @torch.no_grad()
    def contexts(self, widths: Tensor) -> KernelContext:
        return self.model.contexts(widths.to(torch.float64))

    @torch.no_grad()
    def prices(self, kernels: Tensor, context: KernelContext) -> Tensor:
        """Milliseconds of kernels (N,) in one context each: (N,)."""
        chunks = [slice(start, start + _CHUNK) for start in range(0, len(kernels), _CHUNK)]
        parts = [self.model.prices(kernels[chunk], context.at(chunk)) for chunk in chunks]
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.float64).to(self.device)

    def all_prices(self, widths: Tensor) -> Tensor:
        """Milliseconds of every kernel at one width vector (L,): (U,)."""
        context = self.contexts(widths)
        return self.prices(torch.arange(len(context.c_in), device=self.device), context)

    @torch.no_grad()
    def changes(self, base: Tensor, indices: Tensor, values: Tensor) -> Tensor:
        rows = base.to(torch.float64).repeat(len(indices), 1)
        rows[torch.arange(len(indices), device=self.device), indices] = values.to(torch.float64)
        row, kernel = self.affected[indices].nonzero(as_tuple=True)
        new = self.prices(kernel, self.contexts(rows).at((row, kernel)))
        added = new - self.all_prices(base)[kernel]
        result = torch.zeros(len(indices), dtype=torch.float64, device=self.device)
        return result.index_add(0, row, added)
