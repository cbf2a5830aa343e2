"""A mixture bound to an op table: widths in, milliseconds out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor, nn

from lpnet.model.base import BoundModel, KernelContext, LatencyModel, PartialSum
from lpnet.model.ensemble.bound import BoundEnsemble
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.mixture.header import MixtureHeader, MixturePart
from lpnet.model.op_process.bound import BoundOpProcess
from lpnet.model.op_process.pricing import op_process_pricing
from lpnet.model.sloped import Pricing, sloped

if TYPE_CHECKING:
    from lpnet.model.mixture.model import Mixture


class BoundMixture(BoundModel):
    """Every component bound to the same kernels."""

    header: MixtureHeader
    cost: Tensor

    def __init__(self, mixture: Mixture, kernels: KernelTensors) -> None:
        super().__init__(mixture.header, kernels)
        self.register_buffer("cost", kernels.cost.float(), persistent=False)
        self.parts = nn.ModuleList(
            cast(LatencyModel, part).bind_kernels(kernels) for part in mixture.parts
        )

    def prices(self, kernels: Tensor | None, context: KernelContext) -> Tensor:
        pricings = self._pricings(kernels, context.c_in)
        if pricings is None:
            return self._weighted([part.prices(kernels, context) for part in self._bound])
        return self._together(pricings, kernels, torch.stack(context, -2))

    def kernel_ms(self, widths: Tensor) -> Tensor:
        pricings = self._pricings(None, widths)
        if pricings is None:
            return self._weighted([part.kernel_ms(widths) for part in self._bound])
        return self._together(pricings, None, self.channel_maps(widths))

    def spread(self, widths: Tensor) -> Tensor:
        ms = [part(widths) for part in self._bound]
        return mixture_spread(self.header, ms, [part.spread(widths) for part in self._bound])

    def partial_sum(self, kernels: Tensor, context: KernelContext) -> MixtureSum:
        sums = tuple(part.partial_sum(kernels, context) for part in self._bound)
        return MixtureSum(sums, self.header)

    def _pricings(self, kernels: Tensor | None, like: Tensor) -> list[Pricing] | None:
        """How each component prices raw channel features; None if one of them does not."""
        pricings = [pricing_of(part, kernels, like) for part in self._bound]
        return [p for p in pricings if p is not None] if all(pricings) else None

    def _together(
        self, pricings: Sequence[Pricing], kernels: Tensor | None, channels: Tensor
    ) -> Tensor:
        """Prices by all components, from raw channel features that are computed once."""
        cost = self.cost.to(channels)

        def pricing(inputs: Tensor, with_slope: bool) -> tuple[Tensor, Tensor | None]:
            values, slopes = zip(*(own(inputs, with_slope) for own in pricings), strict=True)
            return self._weighted(values), self._weighted(slopes) if with_slope else None

        return sloped(pricing, cost if kernels is None else cost[:, kernels], channels)

    @property
    def _bound(self) -> list[BoundModel]:
        return [cast(BoundModel, part) for part in self.parts]

    def _weighted(self, values: Sequence[Tensor]) -> Tensor:
        return weighted(self.header.parts, values)


@dataclass(frozen=True)
class MixtureSum:
    """The PartialSum of a mixture: those of its components."""

    sums: tuple[PartialSum, ...]
    header: MixtureHeader

    @property
    def ms(self) -> Tensor:
        return weighted(self.header.parts, [part.ms for part in self.sums])

    def spread(self) -> Tensor:
        ms = [part.ms for part in self.sums]
        return mixture_spread(self.header, ms, [part.spread() for part in self.sums])

    def __add__(self, other: MixtureSum) -> MixtureSum:
        pairs = zip(self.sums, other.sums, strict=True)
        return MixtureSum(tuple(first + second for first, second in pairs), self.header)


def pricing_of(part: BoundModel, kernels: Tensor | None, like: Tensor) -> Pricing | None:
    """None for a kind that does not price raw channel features."""
    if isinstance(part, BoundEnsemble):
        return part.pricing(kernels, like)
    if isinstance(part, BoundOpProcess):
        return op_process_pricing(part, kernels, like)
    return None


def weighted(parts: Sequence[MixturePart], values: Sequence[Tensor]) -> Tensor:
    """The weighted sum of a value of each component."""
    total = parts[0].weight * values[0]
    for part, value in zip(parts[1:], values[1:], strict=True):
        total = total + part.weight * value
    return total


def mixture_spread(
    header: MixtureHeader, ms: Sequence[Tensor], spreads: Sequence[Tensor]
) -> Tensor:
    """Relative spread (...,) from the latencies and the spreads of the components, each (...,).

    It is the root of the weighted mean of two variances of the log: that of each component, times
    its scale, and that of the component from the mixture. `header.base_spread` is added.
    """
    total = torch.log(weighted(header.parts, ms))
    weights = sum(part.weight for part in header.parts)
    variance = torch.full_like(total, header.base_spread**2)
    for part, own_ms, own_spread in zip(header.parts, ms, spreads, strict=True):
        off = torch.log(own_ms) - total
        variance = variance + part.weight / weights * ((part.scale * own_spread) ** 2 + off**2)
    return torch.sqrt(variance)
