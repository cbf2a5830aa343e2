"""An op process bound to an op table: widths in, milliseconds out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lpnet.model.base import BoundModel, KernelContext
from lpnet.model.channel_features import raw, steps_like
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.op_process.columns import is_static, scaled_mix, type_indices
from lpnet.model.op_process.matern import correlations, inverse_root, pull

if TYPE_CHECKING:
    from lpnet.model.op_process.model import OpProcess

# A squared distance at which nothing is left of a correlation: that of another type.
_FAR = 1e6
# Kernels that are summed at once: enough to be fast, little enough for the cache.
_CHUNK = 512


class BoundOpProcess(BoundModel):
    """An op process with all work that does not depend on the widths done in advance.

    Of the inducing kernels it holds those whose type the table has. Differentiable once.
    """

    cost: Tensor
    rates: Tensor
    blend: Tensor
    shift: Tensor
    base: Tensor
    points: Tensor
    weights: Tensor
    factor: Tensor
    variance: Tensor
    types: Tensor
    root: Tensor

    def __init__(self, model: OpProcess, kernels: KernelTensors) -> None:
        super().__init__(model.header, kernels)
        for name, value in _folded(model, kernels).items():
            self.register_buffer(name, value, persistent=False)
        self.eval()

    def prices(self, kernels: Tensor | None, context: KernelContext) -> Tensor:
        channels = torch.stack(context, -2)
        at, roofline = self._located(kernels, channels)
        base = self.base if kernels is None else self.base[:, kernels]
        return roofline * torch.exp(pull(at, base.to(at), self.points.to(at), self.weights.to(at)))

    def partial_sum(self, kernels: Tensor, context: KernelContext) -> OpProcessSum:
        points = max(1, _CHUNK // max(1, len(kernels)))
        parts = []
        for channels in torch.split(torch.stack(context), points, -1):
            size = channels.shape[-1]
            segment = torch.arange(size, device=channels.device).repeat(len(kernels))
            repeated = kernels.repeat_interleave(size)
            parts.append(self.sums(repeated, channels.flatten(1), segment, size))
        return OpProcessSum.cat(parts)

    def sums(self, kernels: Tensor, channels: Tensor, segment: Tensor, count: int) -> OpProcessSum:
        """Sums of kernels (N,) with channels (5, N), by `segment` (N,) from 0 to `count`."""
        at, roofline = self._located(kernels, channels)
        base, points, weights = self.base[:, kernels], self.points, self.weights
        correction = pull(at, base.to(at), points.to(at), weights.to(at))
        prices = roofline * torch.exp(correction)
        # What is not explained is a small difference of large numbers.
        near = correlations(at.detach().double(), base.double(), points.double())
        explained = (self.root.double() @ near).square().sum(0)
        types, variance = self.types[kernels], self.variance.to(at)
        loose = torch.sqrt(variance[types] * (1.0 - explained).clamp(min=0.0).to(at))
        weight = prices.detach()
        by_type = torch.zeros(count, len(variance), dtype=at.dtype, device=at.device)
        return OpProcessSum(
            ms=_summed(prices[None], segment, count)[0],
            pull=_summed(near.to(at) * weight, segment, count).T,
            loose=by_type.index_put((segment, types), loose * weight, accumulate=True),
            factor=self.factor.to(at),
            base_spread=self.header.base_spread,
        )

    def _located(self, kernels: Tensor | None, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Channel features (..., D, N) in which lengths are 1, and rooflines (..., N) in ms."""
        cost, rates = self.cost.to(channels), self.rates.to(channels)
        if kernels is not None:
            cost, rates = cost[:, kernels], rates[:, kernels]
        inputs = raw(cost, channels, steps_like(channels))
        at = self.blend.to(channels) @ inputs + self.shift.to(channels)[:, None]
        work = torch.exp(inputs[..., -2:, :])
        return at, (work * rates[:2]).sum(-2) + rates[2]


@dataclass(frozen=True)
class OpProcessSum:
    """The PartialSum of an op process.

    `pull` (N, M) are sums of prices times the correlations with the inducing kernels, `loose`
    (N, T) sums of prices times the deviation that no inducing kernel explains, by type. Within a
    type these deviations count as one, which is an upper bound.
    """

    ms: Tensor
    pull: Tensor
    loose: Tensor
    factor: Tensor
    base_spread: float

    @classmethod
    def cat(cls, parts: list[OpProcessSum]) -> OpProcessSum:
        return cls(
            torch.cat([part.ms for part in parts]),
            torch.cat([part.pull for part in parts]),
            torch.cat([part.loose for part in parts]),
            parts[0].factor,
            parts[0].base_spread,
        )

    def spread(self) -> Tensor:
        ms = self.ms.unsqueeze(-1)
        posterior = ((self.pull / ms) @ self.factor).square().sum(-1)
        unexplained = (self.loose / ms).square().sum(-1)
        return torch.sqrt(self.base_spread**2 + posterior + unexplained)

    def __add__(self, other: OpProcessSum) -> OpProcessSum:
        return OpProcessSum(
            self.ms + other.ms,
            self.pull + other.pull,
            self.loose + other.loose,
            self.factor,
            self.base_spread,
        )


def _summed(values: Tensor, segment: Tensor, count: int) -> Tensor:
    """Sums of values (R, N) by segment: (R, count)."""
    zero = torch.zeros(len(values), count, dtype=values.dtype, device=values.device)
    return zero.index_add(1, segment, values)


def _folded(model: OpProcess, kernels: KernelTensors) -> dict[str, Tensor]:
    own = type_indices(kernels.static)
    # A type that came later than the model is never covered, so its values do not matter.
    own = own.clamp(max=model.header.types - 1)
    kept = torch.isin(model.types, own)
    columns, scale, mean = model.columns, model.scale.double(), model.mean.double()
    points, types = model.points[kept].double(), model.types[kept]
    fixed = is_static(columns, model.header.static)
    static = (kernels.static[:, columns[fixed]] - mean[fixed]) * scale[fixed]
    blend, shift = scaled_mix(columns[~fixed] - model.header.static, mean[~fixed], scale[~fixed])
    along = points[:, ~fixed]
    base = torch.cdist(points[:, fixed], static).square() + along.square().sum(1, keepdim=True)
    floats = {
        "cost": kernels.cost,
        "rates": model.rates[:, own],
        "blend": blend,
        "shift": shift,
        "base": torch.where(types[:, None] == own, base, _FAR),
        "points": along,
        "weights": model.weights[kept],
        "factor": model.factor[kept],
        "variance": model.variance,
    }
    folded = {name: value.detach().float().contiguous() for name, value in floats.items()}
    return folded | {"types": own, "root": inverse_root(points, types)}
