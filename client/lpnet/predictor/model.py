"""The LPNet: prices every kernel of a network in its context, and adds up.

    price = exp(log FLOPs + f0) + exp(log bytes + f1)    f = MLP(static facts, channel features)

An ensemble of MLPs held as stacked weights (members first), so that all of them are one product.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lpnet.errors import NotCovered
from lpnet.predictor.features import ABSENT, DYNAMIC, STATIC, Units, dynamic
from lpnet.predictor.graph import coverage
from lpnet.predictor.header import Header
from lpnet.schemas.workload import Kind
from lpnet.space.table import OpTable

TERMS = 2
# A CPU core's order of magnitude, ms per FLOP and per byte: where training starts.
START = (-17.0, -16.0)


class LPNet(nn.Module):
    """The latency model of one target; independent of any space until bound to one.

    Inputs of its MLPs are the STATIC and DYNAMIC features of kernels, standardised by `mean` and
    `scale`; a feature that never varied in training has scale 0 and says nothing.
    """

    mean: Tensor
    scale: Tensor
    leverage: Tensor

    def __init__(self, header: Header) -> None:
        super().__init__()
        self.header = header
        m, h, f = header.members, header.hidden, STATIC + DYNAMIC
        generator = torch.Generator().manual_seed(header.seed)

        def drawn(*shape: int, gain: float) -> nn.Parameter:
            noise = torch.randn(shape, generator=generator)
            return nn.Parameter(noise * gain / math.sqrt(shape[-2]))

        self.w1 = drawn(m, f, h, gain=1.0)
        self.b1 = nn.Parameter(torch.zeros(m, 1, h))
        self.w2 = drawn(m, h, h, gain=1.5)
        self.b2 = nn.Parameter(torch.zeros(m, 1, h))
        self.w3 = drawn(m, h, TERMS, gain=0.3)
        self.b3 = nn.Parameter(torch.tensor(START).expand(m, 1, TERMS).clone())
        self.register_buffer("mean", torch.zeros(f))
        self.register_buffer("scale", torch.ones(f))
        side = TERMS * (h + 1)
        self.register_buffer("leverage", torch.zeros(m, side, side))

    def bind(self, table: OpTable, batch: int) -> BoundLPNet:
        """This LPNet for the widths of a table.

        Raises NotCovered, naming kinds of op never seen, or a batch size never seen.
        """
        seen = set(self.header.coverage)
        missing = [text for text in coverage(table) if text not in seen]
        if batch not in self.header.batches:
            known = ", ".join(str(b) for b in self.header.batches)
            missing.append(f"batch {batch} (seen: {known})")
        if missing:
            raise NotCovered(self.header.target, missing)
        return BoundLPNet(self, Units.of(table, batch))

    def hidden(self, inputs: Tensor) -> Tensor:
        """Last hidden layer (M, U, H) of standardised inputs (U, STATIC + DYNAMIC)."""
        first = nn.functional.silu(inputs @ self.w1 + self.b1)
        return nn.functional.silu(first @ self.w2 + self.b2)

    def terms(self, inputs: Tensor, logs: Tensor) -> Tensor:
        """Both summands of the price in ms, (M, U, 2); `logs` (U, 2) of FLOPs and bytes."""
        return torch.exp(self.hidden(inputs) @ self.w3 + self.b3 + logs)


class BoundLPNet(nn.Module):
    """An LPNet bound to an op table: what does not depend on widths is already computed.

    Takes float32 or float64 and gives back the same; differentiable to first order everywhere.
    """

    maps: Tensor
    constants: Tensor
    cost: Tensor
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
        c_in, c_out, groups, _, _ = self._all_channels(widths)
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
        terms, _ = self._terms(units, c_in, c_out, groups, producer, consumer)
        return terms.sum(-1).movedim(-2, -1)

    def forward(self, widths: Tensor) -> Tensor:
        """Latency in ms (...,) of widths (..., L)."""
        terms, _ = self._terms(None, *self._all_channels(widths))
        return terms.sum((-1, -2)).mean(-1)

    def spread(self, widths: Tensor) -> Tensor:
        """Relative spread (...,) of the prediction at widths (..., L), for intervals.

        The root of three variances of the log: what is there everywhere, the members'
        disagreement, and the distance from the training data (leverage of the linearised model).
        """
        terms, hidden = self._terms(None, *self._all_channels(widths))
        return relative_spread(terms, hidden, self._as(self.leverage, widths), self.header)

    def quantile(self, coverage: float, kind: Kind) -> float:
        """Factor q of the interval `ms * exp(+-q s)` that held `coverage` of unseen workloads.

        Raises LpnetError where the LPNet was never calibrated, ValueError for a coverage that is
        not between 0 and 1.
        """
        return self.header.calibration.quantile(coverage, kind)

    def _all_channels(self, widths: Tensor) -> tuple[Tensor, ...]:
        flat = widths @ self._as(self.maps, widths) + self._as(self.constants, widths)
        return flat.reshape(*flat.shape[:-1], 5, self.units.count).unbind(-2)

    def _terms(self, units: Tensor | None, *channels: Tensor) -> tuple[Tensor, Tensor]:
        """Summands of the prices (..., M, U, 2) and the last hidden layer (..., M, U, H)."""
        like = channels[0]
        cost, base = self._as(self.cost, like), self._as(self.b1, like)
        if units is not None:
            cost, base = cost[units], base[units]
        known = dynamic(cost, *channels)
        first = nn.functional.silu(known.features @ self._as(self.w1, like) + base)
        apart = first.reshape(*first.shape[:-1], self.header.members, -1).transpose(-2, -3)
        hidden = nn.functional.silu(apart @ self._as(self.w2, like) + self._as(self.b2, like))
        logs = torch.stack((known.log_flops, known.log_bytes), -1).unsqueeze(-3)
        outputs = hidden @ self._as(self.w3, like) + self._as(self.b3, like)
        return torch.exp(outputs + logs), hidden

    def _as(self, constant: Tensor, like: Tensor) -> Tensor:
        return constant.to(like.dtype)


def relative_spread(terms: Tensor, hidden: Tensor, leverage: Tensor, header: Header) -> Tensor:
    """Spread (...,) of sums over units; see BoundLPNet.spread for the parts.

    `terms` (..., M, U, 2) and `hidden` (..., M, U, H) as the network gives them, `leverage`
    (M, D, D) the factor of the inverse information matrix of the last layer, D = 2 (H + 1).
    """
    total = terms.sum((-1, -2))
    slope = last_layer_slope(terms, hidden)
    distance = (slope.unsqueeze(-2) @ leverage).square().sum((-1, -2)).mean(-1)
    disagreement = torch.log(total).var(-1, correction=0)
    return torch.sqrt(header.base_spread**2 + disagreement + distance)


def last_layer_slope(terms: Tensor, hidden: Tensor) -> Tensor:
    """Derivative (..., M, D) of the log of the sum over units by the last layer's weights."""
    share = terms / terms.sum((-1, -2), keepdim=True)
    weights = share.transpose(-1, -2) @ hidden
    return torch.cat((weights, share.sum(-2).unsqueeze(-1)), -1).flatten(-2)


def _folded(lpnet: LPNet, units: Units) -> dict[str, Tensor]:
    """The LPNet's weights with standardisation and the units' static facts worked in, float32."""
    with torch.no_grad():
        mean, scale, w1 = lpnet.mean.double(), lpnet.scale.double(), lpnet.w1.double()
        weights = w1 * scale[:, None]
        static = units.static.to(mean.device) - mean[:STATIC]
        base = static @ weights[:, :STATIC] + lpnet.b1.double()
        shift = torch.einsum("f,mfh->mh", mean[STATIC:], weights[:, STATIC:])
        base = base - shift[:, None]
        found = {
            "maps": _maps(units)[0],
            "constants": _maps(units)[1],
            "cost": units.cost,
            "w1": weights[:, STATIC:].permute(1, 0, 2).flatten(1),
            "b1": base.permute(1, 0, 2).flatten(1),
            "w2": lpnet.w2,
            "b2": lpnet.b2,
            "w3": lpnet.w3,
            "b3": lpnet.b3,
            "leverage": lpnet.leverage,
        }
        return {name: value.detach().float().contiguous() for name, value in found.items()}


def _maps(units: Units) -> tuple[Tensor, Tensor]:
    """One product for all channels: (L, 5 U) and (5 U,), of c_in, c_out, groups, neighbours."""
    nothing = torch.zeros(1, units.a_in.shape[1], dtype=units.a_in.dtype)
    absent = torch.full((1,), ABSENT, dtype=units.b_in.dtype)
    before, after = units.producer, units.consumer
    maps = (
        units.a_in,
        units.a_out,
        units.a_g,
        torch.cat((units.a_in, nothing))[before],
        torch.cat((units.a_out, nothing))[after],
    )
    constants = (
        units.b_in,
        units.b_out,
        units.b_g,
        torch.cat((units.b_in, absent))[before],
        torch.cat((units.b_out, absent))[after],
    )
    return torch.cat(maps).T, torch.cat(constants)
