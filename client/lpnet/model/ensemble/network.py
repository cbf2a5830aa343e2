"""The ensemble: MLPs that price every kernel of a network in its context.

    price = exp(log FLOPs + f0) + exp(log bytes + f1)    f = MLP(static and channel features)

Prices beyond what training gave are held near a roofline (`limits`), but in older files.

The weights of all members are stacked, members first, so that each layer is one product.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from lpnet.model.base import LatencyModel
from lpnet.model.ensemble.bound import BoundEnsemble
from lpnet.model.ensemble.header import EnsembleHeader
from lpnet.model.ensemble.limits import UNLIMITED, Limits, type_index
from lpnet.model.features import DYNAMIC, features_of, with_first_static
from lpnet.model.header import Header
from lpnet.model.kernel_tensors import KernelTensors

TERMS = 2
# Training starts from the order of magnitude of a CPU core: log ms per FLOP and per byte.
START = (-17.0, -16.0)


class Ensemble(LatencyModel):
    """M members of H hidden units, over the first static features of kernels, as many as the
    header says, and the DYNAMIC ones.

    Features are standardised by `mean` and `scale`; one that never varied in training has scale 0
    and no influence. `leverage` (M, D, D), D = 2 (H + 1), factors the inverse information matrix
    of each member's last layer.

    If the header has `held_types` T, `rates` (2, T) and `low` and `high` (M, T) hold the limits of
    each type of kernel, as `Limits` has them.
    """

    kind = "ensemble"
    header_type = EnsembleHeader

    header: EnsembleHeader
    mean: Tensor
    scale: Tensor
    leverage: Tensor
    rates: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, header: Header) -> None:
        super().__init__(header)
        assert isinstance(header, EnsembleHeader)
        m, h, f = header.members, header.hidden, header.static + DYNAMIC
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
        if header.held_types is not None:
            self.register_buffer("rates", torch.zeros(TERMS, header.held_types))
            self.register_buffer("low", torch.full((m, header.held_types), -UNLIMITED))
            self.register_buffer("high", torch.full((m, header.held_types), UNLIMITED))

    def bind_kernels(self, kernels: KernelTensors) -> BoundEnsemble:
        return BoundEnsemble(self, kernels)

    def inputs(self, kernels: KernelTensors) -> tuple[Tensor, Tensor]:
        """Inputs of the MLPs for tables without widths: standardised features (U, static +
        DYNAMIC), and logs (2, U) of FLOPs and bytes."""
        features, logs = features_of(kernels)
        return self.standardised(features).to(self.w1.dtype), logs.to(self.w1.dtype)

    def standardised(self, features: Tensor) -> Tensor:
        """All features (U, STATIC + DYNAMIC) to standardised ones of this model (U, static +
        DYNAMIC)."""
        return (with_first_static(features, self.header.static) - self.mean) * self.scale

    def hidden(self, inputs: Tensor) -> Tensor:
        """Last hidden layer (M, U, H) of standardised inputs (U, static + DYNAMIC)."""
        first = nn.functional.silu(inputs @ self.w1 + self.b1)
        return nn.functional.silu(first @ self.w2 + self.b2)

    def log_terms(self, hidden: Tensor, logs: Tensor) -> Tensor:
        """Logs (M, 2, U) of both summands of the price without limits, from the last hidden layer
        (M, U, H) and the logs (2, U) of FLOPs and bytes."""
        return (hidden @ self.w3 + self.b3).mT + logs

    def limits(self, static: Tensor) -> Limits | None:
        """The limits of kernels with static features (U, STATIC); None in older files."""
        if self.header.held_types is None:
            return None
        types = type_index(static).to(self.rates.device)
        return Limits(self.rates, self.low, self.high).at(types)

    def terms(self, inputs: Tensor, logs: Tensor) -> Tensor:
        """Both summands of the price in ms without limits, (M, U, 2); `logs` (2, U) of FLOPs and
        bytes."""
        return torch.exp(self.hidden(inputs) @ self.w3 + self.b3 + logs.T)
