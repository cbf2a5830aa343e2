"""An ensemble bound to an op table: widths in, milliseconds out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lpnet.model.base import BoundModel, KernelContext
from lpnet.model.channel_features import mix, raw, steps_like
from lpnet.model.ensemble.header import EnsembleHeader
from lpnet.model.ensemble.limits import Limits
from lpnet.model.ensemble.pricing import Layers, price
from lpnet.model.ensemble.spread import (
    last_layer_slope,
    leveraged,
    relative_spread,
    spread_of,
    weighted_hidden,
)
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.sloped import Pricing, sloped

if TYPE_CHECKING:
    from lpnet.model.ensemble.network import Ensemble

# Kernels times points that are summed at once: enough to be fast, little enough for the cache.
_CHUNK = 512


class BoundEnsemble(BoundModel):
    """An ensemble with all work that does not depend on the widths done in advance.

    The prices of the members are averaged, each within its limits. Differentiable once.
    """

    header: EnsembleHeader
    cost: Tensor
    steps: Tensor
    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor
    w3: Tensor
    b3: Tensor
    leverage: Tensor
    rates: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, ensemble: Ensemble, kernels: KernelTensors) -> None:
        super().__init__(ensemble.header, kernels)
        for name, value in _folded(ensemble, kernels).items():
            self.register_buffer(name, value, persistent=False)
        limits = ensemble.limits(kernels.static)
        self.limited = limits is not None
        for name, value in zip(Limits._fields, limits or (), strict=False):
            self.register_buffer(name, value.clone(), persistent=False)
        self.eval()

    def prices(self, kernels: Tensor | None, context: KernelContext) -> Tensor:
        return self._prices(kernels, torch.stack(context, -2))

    def kernel_ms(self, widths: Tensor) -> Tensor:
        return self._prices(None, self.channel_maps(widths))

    def pricing(self, kernels: Tensor | None, like: Tensor) -> Pricing:
        """Prices of kernels from their raw channel features, which are of the type of `like`."""
        base = self.b1 if kernels is None else self.b1[:, kernels]
        parts = (self.w1, base, self.w2, self.b2, self.w3, self.b3)
        layers, limits = Layers(*(part.to(like) for part in parts)), self._limits(kernels, like)
        return lambda inputs, with_slope: price(layers, limits, inputs, with_slope)

    def spread(self, widths: Tensor) -> Tensor:
        terms, hidden = self._terms(self.channel_maps(widths))
        total, slope = terms.sum((-1, -2)), last_layer_slope(terms, hidden)
        return relative_spread(total, slope, self.leverage.to(total), self.header.base_spread)

    def partial_sum(self, kernels: Tensor, context: KernelContext) -> EnsembleSum:
        points = max(1, _CHUNK // max(1, len(kernels)))
        chunks = torch.split(torch.stack(context), points, -1)
        sums = [self._chunk_sum(kernels, channels) for channels in chunks]
        total, leveraged_slope = (torch.cat(parts) for parts in zip(*sums, strict=True))
        return EnsembleSum(total, leveraged_slope, self.header.base_spread)

    def _chunk_sum(self, kernels: Tensor, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Total (N, M) and leveraged slope (N, M, D) of kernels (K,) with channels (5, K, N)."""
        # (N, M, 2, K) and (N, M, H, K).
        terms, hidden = (part.movedim(-1, 0) for part in self._terms_along(kernels, channels))
        weighted = weighted_hidden(terms, hidden)
        return terms.sum((-1, -2)), leveraged(weighted, self.leverage.to(weighted))

    def _prices(self, kernels: Tensor | None, channels: Tensor) -> Tensor:
        cost = self.cost.to(channels)
        cost = cost if kernels is None else cost[:, kernels]
        return sloped(self.pricing(kernels, channels), cost, channels)

    def _terms(self, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Summands of the prices (..., M, 2, U) and the last hidden layer (..., M, H, U)."""
        inputs = raw(self.cost.to(channels), channels, self.steps.to(channels))
        first = nn.functional.silu(self.w1.to(channels) @ inputs + self.b1.to(channels))
        return self._outer_layers(inputs, first, self._limits(None, channels))

    def _terms_along(self, kernels: Tensor, channels: Tensor) -> tuple[Tensor, Tensor]:
        """`_terms` of kernels (K,) at N points each: channels (5, K, N) to (M, 2, K, N) and
        (M, H, K, N)."""
        # All points lie along one axis: few large products instead of many small ones.
        cost = self.cost.to(channels)[:, kernels].repeat_interleave(channels.shape[-1], -1)
        inputs = raw(cost, channels.flatten(1), self.steps.to(channels))
        shape = channels.shape[1:]
        first = (self.w1.to(channels) @ inputs).reshape(-1, *shape)
        first = nn.functional.silu(first + self.b1.to(channels)[:, kernels, None])
        limits = self._limits(kernels.repeat_interleave(channels.shape[-1]), channels)
        terms, hidden = self._outer_layers(inputs, first.flatten(1), limits)
        return terms.reshape(*terms.shape[:-1], *shape), hidden.reshape(*hidden.shape[:-1], *shape)

    def _limits(self, kernels: Tensor | None, channels: Tensor) -> Limits | None:
        if not self.limited:
            return None
        limits = Limits(self.rates, self.low, self.high).like(channels)
        return limits if kernels is None else limits.at(kernels)

    def _outer_layers(
        self, inputs: Tensor, first: Tensor, limits: Limits | None
    ) -> tuple[Tensor, Tensor]:
        by_member = first.reshape(*inputs.shape[:-2], *self.b2.shape[:2], inputs.shape[-1])
        hidden = nn.functional.silu(self.w2.to(inputs) @ by_member + self.b2.to(inputs))
        outputs = self.w3.to(inputs) @ hidden + self.b3.to(inputs)
        logs = inputs[..., -2:, :]
        log_terms = outputs + logs.unsqueeze(-3)
        terms = torch.exp(log_terms) if limits is None else limits.held(log_terms, logs)
        return terms, hidden


@dataclass(frozen=True)
class EnsembleSum:
    """The PartialSum of an ensemble: `total` (N, M) in ms, and `leveraged_slope` (N, M, D), the
    derivative of the total by the last layer's weights times the leverage."""

    total: Tensor
    leveraged_slope: Tensor
    base_spread: float

    @property
    def ms(self) -> Tensor:
        return self.total.mean(-1)

    def spread(self) -> Tensor:
        slope = self.leveraged_slope / self.total.unsqueeze(-1)
        return spread_of(self.total, slope, self.base_spread)

    def __add__(self, other: EnsembleSum) -> EnsembleSum:
        return EnsembleSum(
            self.total + other.total,
            self.leveraged_slope + other.leveraged_slope,
            self.base_spread,
        )


def _folded(ensemble: Ensemble, kernels: KernelTensors) -> dict[str, Tensor]:
    weights = ensemble.w1.detach().double().transpose(1, 2) * ensemble.scale.double()
    mean = ensemble.mean.double()
    blend, shift = mix()
    count = ensemble.header.static
    from_static = weights[..., :count] @ (kernels.static[:, :count] - mean[:count]).T
    from_shift = weights[..., count:] @ (shift - mean[count:])
    base = from_static + from_shift.unsqueeze(-1) + ensemble.b1.detach().double().transpose(1, 2)
    folded = {
        "cost": kernels.cost,
        "steps": steps_like(kernels.cost),
        "w1": (weights[..., count:] @ blend).flatten(0, 1),
        "b1": base.flatten(0, 1),
        "w2": ensemble.w2.transpose(1, 2),
        "b2": ensemble.b2.transpose(1, 2),
        "w3": ensemble.w3.transpose(1, 2),
        "b3": ensemble.b3.transpose(1, 2),
        "leverage": ensemble.leverage,
    }
    return {name: value.detach().float().contiguous() for name, value in folded.items()}
