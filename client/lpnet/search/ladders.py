"""Where a search may step: the rungs of every width, and the least that a space can take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from lpnet.errors import DoesNotFit, NothingFits
from lpnet.search.fast_widths import legal
from lpnet.search.memory import Rooms
from lpnet.search.prices import Pricer
from lpnet.space.space import Width

# A width is tried at all its legal values up to this many when the least latency is looked for.
_NARROW = 64
_PASSES = 6


@dataclass(frozen=True)
class Ladders:
    """`each` holds, per width, one ladder for each of the devices that it has to suit: ascending
    values (int64) to step along, its fast widths there and its value at the floor. `floor` (L,)
    int64 takes `floor_ms`, the least found."""

    each: tuple[tuple[Tensor, ...], ...]
    floor: Tensor
    floor_ms: float

    @cached_property
    def rungs(self) -> tuple[Tensor, ...]:
        """Per width all values that a search may give it, ascending."""
        return tuple(_joined(*several) for several in self.each)

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
    pricer: Pricer,
    widths: Sequence[Width],
    fast: Sequence[Sequence[Tensor]],
    keep: float = 0.0,
    rooms: Rooms | None = None,
) -> Ladders:
    """Rungs of all widths of a space, given the fast values of each, on each device.

    No width goes below the share `keep` of its max. The floor is of what `rooms` hold; raises
    NothingFits where they hold nothing.
    """
    allowed = [_at_least(legal(width), keep * width.max) for width in widths]
    kept = [[_at_least(values, keep * int(values[-1])) for values in several] for several in fast]
    narrow = [_joined(*k, a[:_NARROW]) for k, a in zip(kept, allowed, strict=True)]
    # Of every device its smallest fast values, and the least there is.
    least = [[int(values[0]) for values in device] for device in zip(*kept, strict=True)]
    starts = torch.tensor([*least, [int(values[0]) for values in allowed]], dtype=torch.long)
    if rooms is not None:
        starts = _held(starts, rooms)
    ends = torch.stack([_descend(pricer, start, narrow, rooms) for start in starts])
    ms = pricer.total(ends.to(pricer.device)).cpu()
    best = int(ms.argmin())
    each = tuple(
        tuple(_joined(values, ends[best, i : i + 1]) for values in several)
        for i, several in enumerate(kept)
    )
    return Ladders(each, ends[best], float(ms[best]))


def _held(starts: Tensor, rooms: Rooms) -> Tensor:
    """Those of starts (N, L) that fit in memory; the last one is the narrowest there is."""
    try:
        rooms.require(starts[-1:])
    except DoesNotFit as error:
        raise NothingFits(error.target, error.need_mib, error.limit_mib) from None
    return starts[rooms.holds(starts)]


def _descend(
    pricer: Pricer, start: Tensor, choices: Sequence[Tensor], rooms: Rooms | None
) -> Tensor:
    """Sets one width after the other to the choice that costs least, until none improves."""
    widths = start.clone()
    for _ in range(_PASSES):
        before = widths.clone()
        for place, values in enumerate(choices):
            at = widths.to(pricer.device)
            where = torch.full_like(values, place).to(pricer.device)
            change = pricer.changes(at, where, values.to(pricer.device)).cpu()
            if rooms is not None:
                rows = widths.repeat(len(values), 1)
                rows[:, place] = values
                change = change.where(rooms.holds(rows), torch.inf)
            # Of equals the widest; a change within rounding is none.
            least = int(values[change <= change.min() + 1e-12][-1])
            widths[place] = least
        if torch.equal(before, widths):
            break
    return widths


def _at_least(values: Tensor, least: float) -> Tensor:
    return values[values >= least]


def _joined(*values: Tensor) -> Tensor:
    joined: Tensor = torch.unique(torch.cat(values))
    return joined
