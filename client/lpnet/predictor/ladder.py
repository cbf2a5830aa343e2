"""Where a search may step: the rungs of every width, and the least that a space can take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lpnet.predictor.fast import legal
from lpnet.predictor.reprice import Repricer
from lpnet.space.space import Width

# A width is tried at all its legal values up to this many when the least latency is looked for.
_NARROW = 64
_PASSES = 6


@dataclass(frozen=True)
class Ladders:
    """`rungs` holds, per width, the ascending values (int64) that a search may give it: its fast
    widths, and its value at the floor. `floor` (L,) int64 takes `floor_ms`, the least found."""

    rungs: tuple[Tensor, ...]
    floor: Tensor
    floor_ms: float

    @property
    def top(self) -> Tensor:
        """Every width at its max: (L,) int64."""
        return torch.tensor([int(rungs[-1]) for rungs in self.rungs], dtype=torch.long)

    def nearest(self, widths: Tensor) -> Tensor:
        """The rung nearest to each width of (..., L), as `nearest` says."""
        return nearest(self.rungs, widths)


def nearest(rungs: Sequence[Tensor], widths: Tensor) -> Tensor:
    """Of each width's rungs the nearest by ratio, the upper one in a tie: (..., L) int64."""
    found = torch.empty(widths.shape, dtype=torch.long)
    for place, values in enumerate(rungs):
        log = widths[..., place].double().log().unsqueeze(-1)
        distance = (values.double().log() - log).abs()
        # argmin takes the first of equals; flipped, that is the upper one.
        found[..., place] = values[len(values) - 1 - distance.flip(-1).argmin(-1)]
    return found


def ladders(
    repricer: Repricer,
    widths: Sequence[Width],
    fast: Sequence[tuple[Tensor, Tensor]],
    keep: float = 0.0,
) -> Ladders:
    """Rungs of all widths of a space, given the fast values of each and their cost.

    No width goes below the share `keep` of its max.
    """
    allowed = [_at_least(legal(width), keep * width.max) for width in widths]
    kept = [_at_least(values, keep * int(values[-1])) for values, _ in fast]
    narrow = [_joined(k, a[:_NARROW]) for k, a in zip(kept, allowed, strict=True)]
    starts = torch.tensor(
        [[int(values[0]) for values in kept], [int(values[0]) for values in allowed]],
        dtype=torch.long,
    )
    ends = torch.stack([_descend(repricer, start, narrow) for start in starts])
    ms = repricer.total(ends.to(repricer.device)).cpu()
    best = int(ms.argmin())
    rungs = tuple(_joined(values, ends[best, i : i + 1]) for i, values in enumerate(kept))
    return Ladders(rungs, ends[best], float(ms[best]))


def _descend(repricer: Repricer, start: Tensor, choices: Sequence[Tensor]) -> Tensor:
    """Sets one width after the other to the choice that costs least, until none improves."""
    widths = start.clone()
    for _ in range(_PASSES):
        before = widths.clone()
        for place, values in enumerate(choices):
            at = widths.to(repricer.device)
            where = torch.full_like(values, place).to(repricer.device)
            change = repricer.changes(at, where, values.to(repricer.device)).cpu()
            # Of equals the widest; a change within rounding is none.
            least = int(values[change <= change.min() + 1e-12][-1])
            widths[place] = least
        if torch.equal(before, widths):
            break
    return widths


def _at_least(values: Tensor, least: float) -> Tensor:
    return values[values >= least]


def _joined(values: Tensor, more: Tensor) -> Tensor:
    joined: Tensor = torch.unique(torch.cat((values, more)))
    return joined
