"""Whether networks fit in a target's memory, as far as its measurements tell."""

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

_WORST: tuple[Verdict, ...] = ("does not fit", "unknown", "fits")


class Fit(NamedTuple):
    """What is known of a network in a target's memory, and what it takes, MiB."""

    verdict: Verdict
    need_mib: float


@dataclass(frozen=True)
class Room:
    """The memory of a target for the networks of one space at a batch size. Without `limits` no
    network has failed there for want of memory, and nothing is known of how much it has."""

    target: str
    need: MemoryNeed
    batch: int
    limits: MemoryLimits | None

    def need_mib(self, widths: Tensor) -> NDArray[np.float64]:
        """MiB of widths (..., L): (...,)."""
        rows = widths.detach().cpu().double().numpy()
        element_bytes = 4 if self.limits is None else self.limits.element_bytes
        return np.asarray(self.need.bytes(rows, self.batch, element_bytes)) / MIB

    def fit(self, need_mib: float) -> Fit:
        """What is known of a network that takes so much."""
        limits = self.limits
        if limits is None:
            return Fit("unknown", need_mib)
        if need_mib >= limits.fails_mib:
            return Fit("does not fit", need_mib)
        fine = limits.fits_mib is not None and need_mib <= limits.fits_mib
        return Fit("fits" if fine else "unknown", need_mib)


class Rooms:
    """The memories that a network has to fit in: of one target, or of several."""

    def __init__(self, rooms: Sequence[Room]) -> None:
        self.rooms = tuple(rooms)
        self._limited = [(r, r.limits.fails_mib) for r in rooms if r.limits is not None]

    def under(self, limits: MemoryLimits | None) -> Rooms:
        """The same, where what fits has become known better."""
        return Rooms([replace(room, limits=limits) for room in self.rooms])

    @property
    def limited(self) -> bool:
        """Whether any of them is known to have an end."""
        return bool(self._limited)

    def share(self, widths: Tensor) -> Tensor:
        """What widths (N, L) take of the least that did not fit, where that is most: (N,). They
        do not fit from 1 on."""
        most = np.zeros(widths.shape[:-1])
        for room, fails_mib in self._limited:
            most = np.maximum(most, room.need_mib(widths) / fails_mib)
        return torch.from_numpy(most)

    def holds(self, widths: Tensor) -> Tensor:
        """Which of widths (N, L) are not known not to fit: (N,)."""
        return self.share(widths) < 1.0

    def fits(self, widths: Tensor) -> list[Fit]:
        """Of each of widths (N, L) the worst that is known, of all targets."""
        needs = [room.need_mib(widths).tolist() for room in self.rooms]
        return [
            min(
                (room.fit(need) for room, need in zip(self.rooms, one, strict=True)),
                key=lambda fit: (_WORST.index(fit.verdict), -fit.need_mib),
            )
            for one in zip(*needs, strict=True)
        ]

    def require(self, widths: Tensor) -> None:
        """Raises DoesNotFit for the first of widths (N, L) that does not fit, naming need and
        limit."""
        for room, fails_mib in self._limited:
            for need_mib in room.need_mib(widths).tolist():
                if need_mib >= fails_mib:
                    raise DoesNotFit(room.target, need_mib, fails_mib)
