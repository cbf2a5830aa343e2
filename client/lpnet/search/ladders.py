"""Where a search may step: the rungs of every width, and the lowest latency of a space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lpnet.errors import DoesNotFit, NothingFits
from lpnet.search.fast_widths import legal_values
from lpnet.search.memory import TargetMemories
from lpnet.search.prices import Pricer
from lpnet.space.space import Width

# The floor is searched among all legal values of a width if there are no more than this.
_NARROW = 64
_PASSES = 6


@dataclass(frozen=True)
class Ladders:
    """The values that a search may give to each width.

    `per_width` holds, per width, one ladder for each target that the network has to suit:
    ascending values (int64) to step along, which are its fast widths there and its value at the
    floor. `floor` (L,) int64 takes `floor_ms`, the lowest latency of the search.
    """

    per_width: tuple[tuple[Tensor, ...], ...]
    floor: Tensor
    floor_ms: float

    @cached_property
    def rungs(self) -> tuple[Tensor, ...]:
        return tuple(_union(*ladders) for ladders in self.per_width)

    @property
    def top(self) -> Tensor:
        return torch.tensor([int(rungs[-1]) for rungs in self.rungs], dtype=torch.long)

    def nearest(self, widths: Tensor) -> Tensor:
        return nearest(self.rungs, widths)


def nearest(rungs: Sequence[Tensor], widths: Tensor) -> Tensor:
    """(..., L) int64: the nearest rung by ratio of each width, the upper one in a tie."""
    rounded = torch.empty(widths.shape, dtype=torch.long)
    for index, values in enumerate(rungs):
        log = widths[..., index].double().log().unsqueeze(-1)
        distance = (values.double().log() - log).abs()
        # argmin takes the first of equals; flipped, that is the upper one.
        rounded[..., index] = values[len(values) - 1 - distance.flip(-1).argmin(-1)]
    return rounded


def ladders(
    pricer: Pricer,
    widths: Sequence[Width],
    fast: Sequence[Sequence[Tensor]],
    keep: float = 0.0,
    memories: TargetMemories | None = None,
) -> Ladders:
    """Rungs of all widths of a space, from the fast values of each width on each target.

    No width goes below the share `keep` of its max. The floor is the lowest latency of what fits
    in `memories`; raises NothingFits if nothing does.
    """
    allowed = [_at_least(legal_values(width), keep * width.max) for width in widths]
    kept = [[_at_least(values, keep * int(values[-1])) for values in targets] for targets in fast]
    narrow = [_union(*k, a[:_NARROW]) for k, a in zip(kept, allowed, strict=True)]
    # Start from the smallest fast values of every target, and from the smallest of all.
    smallest = [[int(values[0]) for values in target] for target in zip(*kept, strict=True)]
    starts = torch.tensor([*smallest, [int(values[0]) for values in allowed]], dtype=torch.long)
    if memories is not None:
        starts = _fitting(starts, memories)
    ends = torch.stack([_descend(pricer, start, narrow, memories) for start in starts])
    ms = pricer.total(ends.to(pricer.device)).cpu()
    best = int(ms.argmin())
    per_width = tuple(
        tuple(_union(values, ends[best, i : i + 1]) for values in targets)
        for i, targets in enumerate(kept)
    )
    return Ladders(per_width, ends[best], float(ms[best]))


def _fitting(starts: Tensor, memories: TargetMemories) -> Tensor:
    """The rows of starts (N, L) that fit in memory. The last row is the narrowest network. Raises
    NothingFits if that does not fit."""
    try:
        memories.require(starts[-1:])
    except DoesNotFit as error:
        raise NothingFits(error.target, error.need_mib, error.limit_mib) from None
    return starts[memories.may_fit(starts)]


def _descend(
    pricer: Pricer, start: Tensor, choices: Sequence[Tensor], memories: TargetMemories | None
) -> Tensor:
    widths = start.clone()
    for _ in range(_PASSES):
        before = widths.clone()
        for index, values in enumerate(choices):
            base = widths.to(pricer.device)
            indices = torch.full_like(values, index).to(pricer.device)
            change = pricer.changes(base, indices, values.to(pricer.device)).cpu()
            if memories is not None:
                rows = widths.repeat(len(values), 1)
                rows[:, index] = values
                change = change.where(memories.may_fit(rows), torch.inf)
            # The widest of equals. A change within rounding counts as none.
            widths[index] = int(values[change <= change.min() + 1e-12][-1])
        if torch.equal(before, widths):
            break
    return widths


def _at_least(values: Tensor, minimum: float) -> Tensor:
    return values[values >= minimum]


def _union(*values: Tensor) -> Tensor:
    union: Tensor = torch.unique(torch.cat(values))
    return union
