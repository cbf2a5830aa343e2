"""An LPNet bound to an op table: widths in, milliseconds out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from lpnet.model.channels import ABSENT, mix, raw, steps_like
from lpnet.model.features import STATIC, Units
from lpnet.schemas.workload import Kind

if TYPE_CHECKING:
    from lpnet.model.lpnet import LPNet


class BoundLPNet(nn.Module):
    """An LPNet bound to an op table: what does not depend on widths is already computed.

    Takes float32 or float64 and gives back the same; differentiable to first order everywhere.
    """

    maps: Tensor
    constants: Tensor
    cost: Tensor
    steps: Tensor
    w1: Tensor
    b1: Tensor
    w2: Tensor
    b2: Tensor
    w3: Tensor
    b3: Tensor
    leverage: Tensor

    def __init__(self, lpnet: LPNet, units: Units) -> None:
        super().__init__()
        self.header = lpnet.header
        self.units = units
        self.n_widths = int(units.a_in.shape[1])
        for name, value in _folded(lpnet, units).items():
            self.register_buffer(name, value, persistent=False)
        self.eval()

    def channels(self, widths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """c_in, c_out, groups (..., U) of every kernel, from widths (..., L)."""
        c_in, c_out, _, _, groups = self._stack(widths).unbind(-2)
        return c_in, c_out, groups

    def context(self, c_in: Tensor, c_out: Tensor) -> tuple[Tensor, Tensor]:
        """Producers' c_in and consumers' c_out (..., U): what features know of the neighbours."""
        producer = nn.functional.pad(c_in, (0, 1), value=ABSENT)[..., self.units.producer]
        consumer = nn.functional.pad(c_out, (0, 1), value=ABSENT)[..., self.units.consumer]
        return producer, consumer

    def prices(
        self,
        units: Tensor | None,
        c_in: Tensor,
        c_out: Tensor,
        groups: Tensor,
        producer: Tensor,
        consumer: Tensor,
    ) -> Tensor:
        """Prices in ms, (..., U, M), of units with the given channels, each (..., U).

        `units` (N,) picks the units that the N last-axis entries are; None: all, in order.
        """
        stack = torch.stack((c_in, c_out, producer, consumer, groups), -2)
        terms, _ = self._terms(units, stack)
        return terms.sum(-2).transpose(-1, -2)

    def forward(self, widths: Tensor) -> Tensor:
        """Latency in ms (...,) of widths (..., L)."""
        terms, _ = self._terms(None, self._stack(widths))
        return terms.sum((-1, -2, -3)) / self.header.members

    def unit_ms(self, widths: Tensor) -> Tensor:
        """Prices in ms (..., U), members averaged, of widths (..., L); they add up to forward."""
        terms, _ = self._terms(None, self._stack(widths))
        return terms.sum(-2).mean(-2)

    def spread(self, widths: Tensor) -> Tensor:
        """Relative spread (...,) of the prediction at widths (..., L), for intervals.

        The root of three variances of the log: what is there everywhere, the members'
        disagreement, and the distance from the training data (leverage of the linearised model).
        """
        terms, hidden = self._terms(None, self._stack(widths))
        total, slope = terms.sum((-1, -2)), last_layer_slope(terms, hidden)
        return relative_spread(total, slope, self.leverage.to(total), self.header.base_spread)

    def quantile(self, coverage: float, kind: Kind) -> float:
        """Factor q of the interval `ms * exp(+-q s)` that held `coverage` of unseen workloads.

        Raises LpnetError where the LPNet was never calibrated, ValueError for a coverage that is
        not between 0 and 1.
        """
        return self.header.calibration.quantile(coverage, kind)

    def _stack(self, widths: Tensor) -> Tensor:
        """c_in, c_out, producer, consumer, groups: (..., 5, U)."""
        flat = nn.functional.linear(widths, self.maps.to(widths), self.constants.to(widths))
        return flat.reshape(*widths.shape[:-1], 5, self.units.count)

    def _terms(self, units: Tensor | None, channels: Tensor) -> tuple[Tensor, Tensor]:
        """Summands of the prices (..., M, 2, U) and the last hidden layer (..., M, H, U)."""
        cost, base = self.cost.to(channels), self.b1.to(channels)
        if units is not None:
            cost, base = cost[:, units], base[:, units]
        known = raw(cost, channels, self.steps.to(channels))
        first = nn.functional.silu(self.w1.to(channels) @ known + base)
        return self._outer(known, first)

    def terms_along(self, units: Tensor, channels: Tensor) -> tuple[Tensor, Tensor]:
        """What `_terms` is, of units (U,) in N situations each: `channels` (5, U, N), in the order
        of `prices`, to (M, 2, U, N) and (M, H, U, N)."""
        # All of them along one axis: few large products, and not many small ones.
        cost = self.cost.to(channels)[:, units].repeat_interleave(channels.shape[-1], -1)
        known = raw(cost, channels.flatten(1), self.steps.to(channels))
        shape = channels.shape[1:]
        found = (self.w1.to(channels) @ known).reshape(-1, *shape)
        first = nn.functional.silu(found + self.b1.to(channels)[:, units, None])
        terms, hidden = self._outer(known, first.flatten(1))
        return terms.reshape(*terms.shape[:-1], *shape), hidden.reshape(*hidden.shape[:-1], *shape)

    def _outer(self, known: Tensor, first: Tensor) -> tuple[Tensor, Tensor]:
        """What `_terms` is, from the raw features and the first layer."""
        apart = first.reshape(*known.shape[:-2], *self.b2.shape[:2], known.shape[-1])
        hidden = nn.functional.silu(self.w2.to(known) @ apart + self.b2.to(known))
        outputs = self.w3.to(known) @ hidden + self.b3.to(known)
        return torch.exp(outputs + known[..., None, -2:, :]), hidden


def relative_spread(total: Tensor, slope: Tensor, leverage: Tensor, base: float) -> Tensor:
    """Spread (...,) of predictions; BoundLPNet.spread says of what parts.

    `total` (..., M) in ms, `slope` (..., M, D) of log ms by the last layer's weights, `leverage`
    (M, D, D) a factor of its inverse information matrix.
    """
    return spread_of(total, reach_of(slope, leverage), base)


def reach_of(slope: Tensor, leverage: Tensor) -> Tensor:
    """`slope` (..., M, D) times `leverage` (M, D, D): its squared length is the squared distance
    from the training data."""
    # Not a product that broadcasts: it would copy `leverage` for every prediction.
    return torch.einsum("...md,mde->...me", slope, leverage)


def spread_of(total: Tensor, reach: Tensor, base: float) -> Tensor:
    """relative_spread, from what `reach_of` gives of the slope."""
    distance = reach.square().sum(-1).mean(-1)
    disagreement = torch.log(total).var(-1, correction=0)
    return torch.sqrt(base**2 + disagreement + distance)


def last_layer_slope(terms: Tensor, hidden: Tensor) -> Tensor:
    """Derivative (..., M, D) of the log of the sum over units by the last layer's weights.

    `terms` (..., M, 2, U), `hidden` (..., M, H, U); D = 2 (H + 1).
    """
    return weighted_hidden(terms / terms.sum((-1, -2), keepdim=True), hidden)


def weighted_hidden(terms: Tensor, hidden: Tensor) -> Tensor:
    """Sums (..., M, D) over units of the hidden layer and of 1, weighted by `terms`; shapes as in
    `last_layer_slope`, which this is of terms over their sum."""
    weights = terms @ hidden.transpose(-1, -2)
    return torch.cat((weights, terms.sum(-1, keepdim=True)), -1).flatten(-2)


def _folded(lpnet: LPNet, units: Units) -> dict[str, Tensor]:
    """The weights with standardisation, mix and the units' static facts worked in, float32."""
    maps, constants = _maps(units)
    weights = lpnet.w1.detach().double().transpose(1, 2) * lpnet.scale.double()
    mean = lpnet.mean.double()
    blend, shift = mix()
    fixed = weights[..., :STATIC] @ (units.static - mean[:STATIC]).T
    moved = weights[..., STATIC:] @ (shift - mean[STATIC:])
    base = fixed + moved.unsqueeze(-1) + lpnet.b1.detach().double().transpose(1, 2)
    found = {
        "maps": maps,
        "constants": constants,
        "cost": units.cost,
        "steps": steps_like(units.cost),
        "w1": (weights[..., STATIC:] @ blend).flatten(0, 1),
        "b1": base.flatten(0, 1),
        "w2": lpnet.w2.transpose(1, 2),
        "b2": lpnet.b2.transpose(1, 2),
        "w3": lpnet.w3.transpose(1, 2),
        "b3": lpnet.b3.transpose(1, 2),
        "leverage": lpnet.leverage,
    }
    return {name: value.detach().float().contiguous() for name, value in found.items()}


def _maps(units: Units) -> tuple[Tensor, Tensor]:
    """One product for all channels, (5 U, L) and (5 U,), in the order `raw` takes them."""
    nothing = torch.zeros(1, units.a_in.shape[1], dtype=units.a_in.dtype)
    absent = torch.full((1,), ABSENT, dtype=units.b_in.dtype)
    before, after = units.producer, units.consumer
    maps = (
        units.a_in,
        units.a_out,
        torch.cat((units.a_in, nothing))[before],
        torch.cat((units.a_out, nothing))[after],
        units.a_g,
    )
    constants = (
        units.b_in,
        units.b_out,
        torch.cat((units.b_in, absent))[before],
        torch.cat((units.b_out, absent))[after],
        units.b_g,
    )
    return torch.cat(maps), torch.cat(constants)
