"""Latency models that average those of several kinds.

    price = sum of weight * price over the components

The weights are the same everywhere, so prices of kernels still add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Self

from torch import nn

from lpnet.model.base import LatencyModel
from lpnet.model.header import Header
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.mixture.bound import BoundMixture
from lpnet.model.mixture.header import MixtureHeader, MixturePart


class Mixture(LatencyModel):
    """A weighted mean of its components, `parts`, which all cover the same ops."""

    kind = "mixture"
    header_type = MixtureHeader

    header: MixtureHeader

    def __init__(self, header: Header) -> None:
        super().__init__(header)
        # Imported late: the registry imports the mixture.
        from lpnet.model.registry import model_class

        assert isinstance(header, MixtureHeader)
        self.parts = nn.ModuleList(
            model_class(part.kind)(part.header(header)) for part in header.parts
        )

    @classmethod
    def of(
        cls,
        models: Sequence[LatencyModel],
        weights: Sequence[float],
        scales: Sequence[float],
        header: Header,
    ) -> Self:
        """A mixture of trained models; `scales` are the factors of their spreads.

        `header` has the facts that all of them share.
        """
        parts = tuple(
            MixturePart.of(model.kind, model.header, weight, scale)
            for model, weight, scale in zip(models, weights, scales, strict=True)
        )
        mixture = cls(MixtureHeader.model_validate(header.model_dump() | {"parts": parts}))
        for own, model in zip(mixture.parts, models, strict=True):
            own.load_state_dict(model.state_dict())
        mixture.requires_grad_(False)
        return mixture

    def bind_kernels(self, kernels: KernelTensors) -> BoundMixture:
        return BoundMixture(self, kernels)
