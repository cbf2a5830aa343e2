"""Whether networks fit in the memory of their targets, as far as measurements show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lpnet.errors import DoesNotFit
from lpnet.schemas.memory import MemoryLimits, Verdict
from lpnet.space.memory import MIB, MemoryNeed

_WORST_FIRST: tuple[Verdict, ...] = ("does not fit", "unknown", "fits")


class Fit(NamedTuple):
    """Whether a network fits in a target's memory, and the MiB that it needs."""

    verdict: Verdict
    need_mib: float


@dataclass(frozen=True)
class TargetMemory:
    """The memory of a target for the networks of one space at a batch size.

    Without `limits` no network has run out of memory on the target, so its limit is unknown.
    """

    target: str
    need: MemoryNeed
    batch: int
    limits: MemoryLimits | None

    def need_mib(self, widths: Tensor) -> NDArray[np.float64]:
        """MiB (...,) of widths (..., L)."""
        rows = widths.detach().cpu().double().numpy()
        element_bytes = 4 if self.limits is None else self.limits.element_bytes
        return np.asarray(self.need.bytes(rows, self.batch, element_bytes)) / MIB

    def fit(self, need_mib: float) -> Fit:
        limits = self.limits
        if limits is None:
            return Fit("unknown", need_mib)
        if need_mib >= limits.fails_mib:
            return Fit("does not fit", need_mib)
        fits = limits.fits_mib is not None and need_mib <= limits.fits_mib
        return Fit("fits" if fits else "unknown", need_mib)


class TargetMemories:
    """The memories that a network has to fit in: of one target, or of several."""

    def __init__(self, memories: Sequence[TargetMemory]) -> None:
        self.memories = tuple(memories)
        self._limited = [(m, m.limits.fails_mib) for m in memories if m.limits is not None]

    def with_limits(self, limits: MemoryLimits | None) -> TargetMemories:
        return TargetMemories([replace(memory, limits=limits) for memory in self.memories])

    @property
    def limited(self) -> bool:
        return bool(self._limited)

    def share(self, widths: Tensor) -> Tensor:
        """The need of widths (N, L) as a share (N,) of the size that failed: the largest over all
        targets.

        Widths with a share of 1 or more do not fit.
        """
        share = np.zeros(widths.shape[:-1])
        for memory, fails_mib in self._limited:
            share = np.maximum(share, memory.need_mib(widths) / fails_mib)
        return torch.from_numpy(share)

    def may_fit(self, widths: Tensor) -> Tensor:
        """(N,) bool: which of widths (N, L) fit, or may fit."""
        return self.share(widths) < 1.0

    def fits(self, widths: Tensor) -> list[Fit]:
        """The worst Fit over all targets, for each row of widths (N, L)."""
        needs = [memory.need_mib(widths).tolist() for memory in self.memories]
        return [
            min(
                (memory.fit(need) for memory, need in zip(self.memories, row, strict=True)),
                key=lambda fit: (_WORST_FIRST.index(fit.verdict), -fit.need_mib),
            )
            for row in zip(*needs, strict=True)
        ]

    def require(self, widths: Tensor) -> None:
        """Raises DoesNotFit for the first row of widths (N, L) that does not fit."""
        for memory, fails_mib in self._limited:
            for need_mib in memory.need_mib(widths).tolist():
                if need_mib >= fails_mib:
                    raise DoesNotFit(memory.target, need_mib, fails_mib)
