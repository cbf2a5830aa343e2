"""The LPNet: prices every kernel of a network in its context, and adds up.

    price = exp(log FLOPs + f0) + exp(log bytes + f1)    f = MLP(static facts, channel features)

An ensemble of MLPs held as stacked weights (members first), so that all of them are one product.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lpnet.errors import NotCovered
from lpnet.model.bound import BoundLPNet
from lpnet.model.channels import ABSENT, DYNAMIC, mix, raw, steps_like
from lpnet.model.features import STATIC, Units
from lpnet.model.header import Header
from lpnet.model.kernels import coverage
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

    def inputs(self, units: Units) -> tuple[Tensor, Tensor]:
        """What the MLPs take of tables without widths: standardised features (U, STATIC +
        DYNAMIC), and logs (2, U) of FLOPs and bytes."""
        features, logs = features_of(units)
        return ((features - self.mean) * self.scale).to(self.w1.dtype), logs.to(self.w1.dtype)

    def hidden(self, inputs: Tensor) -> Tensor:
        """Last hidden layer (M, U, H) of standardised inputs (U, STATIC + DYNAMIC)."""
        first = nn.functional.silu(inputs @ self.w1 + self.b1)
        return nn.functional.silu(first @ self.w2 + self.b2)

    def terms(self, inputs: Tensor, logs: Tensor) -> Tensor:
        """Both summands of the price in ms, (M, U, 2); `logs` (2, U) of FLOPs and bytes."""
        return torch.exp(self.hidden(inputs) @ self.w3 + self.b3 + logs.T)


def features_of(units: Units) -> tuple[Tensor, Tensor]:
    """Features (U, STATIC + DYNAMIC) of tables without widths, and logs (2, U), float64."""
    pad = nn.functional.pad
    before = pad(units.b_in, (0, 1), value=ABSENT)[units.producer]
    after = pad(units.b_out, (0, 1), value=ABSENT)[units.consumer]
    stack = torch.stack((units.b_in, units.b_out, before, after, units.b_g))
    computed = raw(units.cost, stack, steps_like(stack))
    weights, shift = mix()
    return torch.cat((units.static, (weights @ computed).T + shift), 1), computed[-2:]
