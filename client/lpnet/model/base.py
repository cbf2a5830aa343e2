"""What every kind of latency model offers: bound to an op table, it takes widths to milliseconds.

A latency model prices each kernel of a network in its context and adds the prices up. A new kind
subclasses `LatencyModel` and `BoundModel`; docs/develop/add-a-latency-model.md leads through it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import torch
from torch import Tensor, nn

from lpnet.errors import NotCovered
from lpnet.model.channel_maps import ChannelMaps
from lpnet.model.header import Header
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.schemas.workload import Kind
from lpnet.space.table import OpTable


class KernelContext(NamedTuple):
    """The channel counts that the price of a kernel depends on, all of one shape.

    `producer` is the c_in of the kernel before, `consumer` the c_out of the kernel after; both
    are ABSENT where there is none.
    """

    c_in: Tensor
    c_out: Tensor
    producer: Tensor
    consumer: Tensor
    groups: Tensor

    def at(self, index: Any) -> KernelContext:
        """Index every part alike."""
        return KernelContext(*(part[index] for part in self))


class PartialSum(Protocol):
    """The summed latency of some kernels at N points, and how uncertain it is.

    Sums of disjoint kernels can be added; a sum over one point broadcasts against N.
    """

    @property
    def ms(self) -> Tensor:
        """Milliseconds, (N,)."""

    def spread(self) -> Tensor:
        """Relative spread (N,): the scale of log(measured / ms)."""

    def __add__(self, other: Self, /) -> Self: ...


@dataclass(frozen=True)
class FixedSpreadSum:
    """A PartialSum whose relative spread is the same everywhere."""

    ms: Tensor
    base_spread: float

    def spread(self) -> Tensor:
        return torch.full_like(self.ms, self.base_spread)

    def __add__(self, other: FixedSpreadSum) -> FixedSpreadSum:
        return FixedSpreadSum(self.ms + other.ms, self.base_spread)


class BoundModel(nn.Module, ABC):
    """A latency model bound to an op table of U kernels and L widths.

    Takes float32 or float64 and returns the same type; differentiable in the widths. A kind
    implements `prices`, and `partial_sum` if its uncertainty depends on the widths. It may
    override the rest with something faster.
    """

    def __init__(self, header: Header, kernels: KernelTensors) -> None:
        super().__init__()
        self.header = header
        self.kernels = kernels
        self.n_widths = int(kernels.a_in.shape[1])
        self.channel_maps = ChannelMaps(kernels)

    @abstractmethod
    def prices(self, kernels: Tensor | None, context: KernelContext) -> Tensor:
        """Milliseconds of kernels in the given contexts, each (..., N): (..., N).

        `kernels` (N,) are the indices of the kernels along the last axis; None: all, in order.
        """

    def partial_sum(self, kernels: Tensor, context: KernelContext) -> PartialSum:
        """The sum over kernels (K,), at N points each: `context` parts are (K, N).

        By default its spread is `header.base_spread` everywhere.
        """
        ms = self.prices(kernels, KernelContext(*(part.T for part in context))).sum(-1)
        return FixedSpreadSum(ms, self.header.base_spread)

    def contexts(self, widths: Tensor) -> KernelContext:
        """The context of every kernel at widths (..., L), each part (..., U)."""
        return KernelContext(*self.channel_maps(widths).unbind(-2))

    def forward(self, widths: Tensor) -> Tensor:
        """Milliseconds (...,) of widths (..., L)."""
        return self.kernel_ms(widths).sum(-1)

    def kernel_ms(self, widths: Tensor) -> Tensor:
        """Milliseconds (..., U) of every kernel at widths (..., L); they add up to `forward`."""
        return self.prices(None, self.contexts(widths))

    def spread(self, widths: Tensor) -> Tensor:
        """Relative spread (...,) of the prediction at widths (..., L), for intervals."""
        count = self.kernels.count
        context = KernelContext(*(p.reshape(-1, count).T for p in self.contexts(widths)))
        total = self.partial_sum(torch.arange(count, device=widths.device), context)
        return total.spread().reshape(widths.shape[:-1])

    def quantile(self, coverage: float, kind: Kind) -> float:
        """Factor q of the interval `ms * exp(+-q * spread)` that held the share `coverage` of
        workloads that the model was not fitted to.

        Raises LpnetError for a model that was never calibrated, ValueError for a coverage that is
        not between 0 and 1.
        """
        return self.header.calibration.quantile(coverage, kind)


class LatencyModel(nn.Module, ABC):
    """The latency model of one target (an LPNet), independent of any space until bound to one.

    It can be built from its header alone, untrained. Its file holds the header, the
    parameters and the buffers.
    """

    kind: ClassVar[str]
    header_type: ClassVar[type[Header]] = Header

    def __init__(self, header: Header) -> None:
        super().__init__()
        self.header = header

    @abstractmethod
    def bind_kernels(self, kernels: KernelTensors) -> BoundModel:
        """This model for the widths of a table that it covers."""

    def bind(self, table: OpTable, batch: int) -> BoundModel:
        """This model for the widths of a table.

        Raises NotCovered, naming the kinds of op and the batch size that training did not have.
        """
        missing = self.header.uncovered(table, batch)
        if missing:
            raise NotCovered(self.header.target, missing)
        return self.bind_kernels(KernelTensors.of(table, batch))
