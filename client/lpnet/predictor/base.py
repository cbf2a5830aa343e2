"""What every predictor does with widths: milliseconds, envelope, interval, checks.

The searches that go the other way, from milliseconds to widths, are in `searching`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Self

import torch
from torch import Tensor, nn

from lpnet.errors import WidthsError
from lpnet.predictor import width_checks
from lpnet.predictor.width_checks import WidthsLike
from lpnet.schemas.workload import Kind
from lpnet.search.memory import Fit, TargetMemories
from lpnet.space.space import Space


class BasePredictor(nn.Module, ABC):
    """Latency in ms of a space at any widths: a `Predictor`, or the `worst_of` several.

    Widths are a float tensor (B, L) or (L,) in the order of `widths`, each from its granule
    (`low`) to its max (`high`); floats in between interpolate. Lists, integers and objects
    {name: number} are accepted too. Latency is of one inference at `batch`.

    In plain calls invalid widths raise WidthsError. Under `vmap`, `torch.compile` or in a CUDA
    graph, where values cannot be read, they give NaN.
    """

    low: Tensor
    high: Tensor

    def __init__(self, space: Space, target: str, device: torch.device) -> None:
        super().__init__()
        self.space, self.target = space, target
        self.batch = space.batch
        self.widths = tuple(width.name for width in space.widths)
        for name, limits in (
            ("low", [width.granule for width in space.widths]),
            ("high", [width.max for width in space.widths]),
        ):
            value = torch.tensor(limits, dtype=torch.float64, device=device)
            self.register_buffer(name, value, persistent=False)

    @property
    def kind(self) -> Kind:
        """`block` where the space is a single block, else `network`."""
        return "block" if len(self.space.blocks) <= 1 else "network"

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """SHA-256, in hexadecimal, of everything that its numbers come from except the space."""

    @abstractmethod
    def at(self, batch: int) -> Self:
        """The same predictor at another batch size. Raises NotCovered."""

    def forward(self, widths: WidthsLike) -> Tensor:
        """Milliseconds: widths (B, L) to (B,), or (L,) to a scalar. Raises WidthsError."""
        return self._checked(widths, self._ms)

    def envelope(self, widths: WidthsLike) -> Tensor:
        """Milliseconds after rounding up to fast widths, linear in between; shapes as in forward.

        It is continuous and never falls in any width, so it is the form for a loss. Below the
        smallest fast width it is flat. It equals forward at the dense widths. At other fast widths
        it may differ, because it takes the channels of a kernel's neighbours as dense. It is lower
        where more channels would make a kernel faster but not its network.

        The first call tabulates prices, in about a second; make it before torch.compile.
        """
        return self._checked(widths, self._envelope_ms)

    @abstractmethod
    def interval(self, widths: WidthsLike, coverage: float = 0.9) -> tuple[Tensor, Tensor]:
        """Low and high in ms, shaped as in forward. The share `coverage` of measurements lies in
        between.

        Raises ValueError for a coverage not between 0 and 1, LpnetError if an LPNet was never
        calibrated.
        """

    def check(self, widths: WidthsLike) -> None:
        """Raise unless widths (B, L) or (L,) are those of a network that may fit on the target.

        WidthsError names the first width that is out of range, not whole or off its granule.
        DoesNotFit names the need and the limit of a network that needs as much memory as one that
        failed.
        """
        tensor = self._tensor(widths)
        width_checks.require_in_range(tensor, self.low, self.high, self.widths)
        width_checks.require_legal(tensor, self.low, self.widths)
        self.memories.require(tensor.reshape(-1, len(self.widths)))

    def memory(self, widths: WidthsLike) -> Fit:
        """Whether widths (L,) fit in the target's memory, and the MiB that they need, as
        `lpnet.space.memory` counts them: (verdict, need_mib).

        `fits`: a network as large was measured there. `does not fit`: one that is not larger ran
        out of memory. `unknown`: it lies in between, or no network has ever failed there. Raises
        WidthsError.
        """
        return self.memories.fits(self._vector(widths)[None])[0]

    def _checked(self, widths: WidthsLike, ms: Callable[[Tensor], Tensor]) -> Tensor:
        tensor = self._tensor(widths)
        if width_checks.is_unreadable(tensor):
            valid = width_checks.in_range(tensor, self.low, self.high)
            return width_checks.nan_unless(valid, ms(tensor))
        width_checks.require_in_range(tensor, self.low, self.high, self.widths)
        return ms(tensor)

    def _tensor(self, widths: WidthsLike) -> Tensor:
        return width_checks.as_tensor(widths, self.widths, self.low.device)

    def _vector(self, widths: WidthsLike) -> Tensor:
        vector = self._tensor(widths).detach()
        if vector.dim() != 1:
            raise WidthsError(f"expected one width vector, got shape {list(vector.shape)}")
        width_checks.require_in_range(vector, self.low, self.high, self.widths)
        return vector.double()

    def _index(self, name: str) -> int:
        if name not in self.widths:
            raise WidthsError(f"unknown width {name!r}; this space has {', '.join(self.widths)}")
        return self.widths.index(name)

    @abstractmethod
    def _ms(self, widths: Tensor) -> Tensor:
        """`forward` of a tensor (..., L) in range."""

    @abstractmethod
    def _envelope_ms(self, widths: Tensor) -> Tensor:
        """`envelope` of a tensor (..., L) in range."""

    @property
    @abstractmethod
    def memories(self) -> TargetMemories: ...
