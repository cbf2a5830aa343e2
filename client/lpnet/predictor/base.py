"""What every predictor is, of one target or the worst of several: milliseconds of widths, and
the widths that milliseconds buy."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from lpnet.errors import LpnetError, WidthsError
from lpnet.predictor import width_checks
from lpnet.predictor.width_checks import WidthsLike
from lpnet.schemas.workload import Kind
from lpnet.search.ascent import Slope
from lpnet.search.fast_widths import fast_widths
from lpnet.search.front import FrontPoint, Reachable, front
from lpnet.search.ladders import ladders, nearest
from lpnet.search.macs import Macs
from lpnet.search.memory import Fit, Rooms
from lpnet.search.prices import Pricer
from lpnet.search.snap import snapped
from lpnet.search.threads import one_thread
from lpnet.search.widest import ROUNDING, Shop, widest
from lpnet.space.space import Space


class AnyPredictor(nn.Module, ABC):
    """Latency in ms of a space at any widths: a `Predictor`, or the `worst_of` several.

    Widths are a float tensor (B, L) or (L,) in the order of `widths`, each from its granule to
    its max; floats in between interpolate. Lists, integers and objects {name: number} are taken
    too. Latency is of one inference at `batch`.

    In plain calls invalid widths raise WidthsError; under `vmap`, `torch.compile` or in a CUDA
    graph, where values cannot be looked at, they give NaN.
    """

    low: Tensor
    high: Tensor

    def __init__(self, space: Space, target: str, device: torch.device) -> None:
        super().__init__()
        self.space, self.target = space, target
        self.batch = space.batch
        self.widths = tuple(width.name for width in space.widths)
        for name, ends in (
            ("low", [width.granule for width in space.widths]),
            ("high", [width.max for width in space.widths]),
        ):
            value = torch.tensor(ends, dtype=torch.float64, device=device)
            self.register_buffer(name, value, persistent=False)

    @property
    def kind(self) -> Kind:
        """`block` where the space is a single block, else `network`."""
        return "block" if len(self.space.blocks) <= 1 else "network"

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """Of all that its numbers come from, the space apart: SHA-256, in hexadecimal."""

    @abstractmethod
    def at(self, batch: int) -> AnyPredictor:
        """The same at another batch size. Raises NotCovered."""

    def forward(self, widths: WidthsLike) -> Tensor:
        """Milliseconds: widths (B, L) to (B,), or (L,) to a scalar. Raises WidthsError."""
        return self._checked(widths, self._ms)

    def envelope(self, widths: WidthsLike) -> Tensor:
        """Milliseconds after rounding up to fast widths, linear in between; shapes as in forward.

        Never falls in any width and is continuous, so it is the form for a loss. Below the
        smallest fast width it is flat. It equals forward at the dense widths; at other fast
        widths it differs by what one kernel's price owes to a neighbour beyond its own channels
        (neighbours stay as they are when dense), and it is lower where a kernel by itself would
        be faster wider, though its network is not.

        The first call tabulates prices, in about a second; make it before torch.compile.
        """
        return self._checked(widths, self._envelope_ms)

    @abstractmethod
    def interval(self, widths: WidthsLike, coverage: float = 0.9) -> tuple[Tensor, Tensor]:
        """Low and high in ms, shaped as forward's; a share `coverage` of measurements falls in.

        Raises ValueError for a coverage not between 0 and 1, LpnetError where an LPNet was never
        calibrated.
        """

    def check(self, widths: WidthsLike) -> None:
        """Raises WidthsError, naming the width, unless widths (B, L) or (L,) are a network's:
        whole numbers in range and on the granule. Raises DoesNotFit, naming need and limit, for a
        network that takes as much memory as one that did not fit on the target.

        (What the LPNet does not cover was refused when the predictor was made.)
        """
        found = self._tensor(widths)
        width_checks.require_in_range(found, self.low, self.high, self.widths)
        width_checks.require_legal(found, self.low, self.widths)
        self.rooms.require(found.reshape(-1, len(self.widths)))

    def memory(self, widths: WidthsLike) -> Fit:
        """What is known of widths (L,) in the target's memory, and the MiB they take, as
        `lpnet.space.memory` counts them: (verdict, need_mib).

        `fits`: a network as large was measured there. `does not fit`: one not larger failed for
        want of memory. `unknown`: it lies between the two, or none has ever failed there. Raises
        WidthsError.
        """
        return self.rooms.fits(self._one(widths)[None])[0]

    @one_thread()
    def fast_widths(self, name: str, at: WidthsLike | None = None) -> list[int]:
        """Values of a width that no larger one beats, ascending; its max is always one.

        w is fast when forward at w is less than at every larger legal value, the other widths
        being as in `at` (L,), by default at their max. Raises WidthsError for an unknown name.
        """
        place = self._place(name)
        if at is None:
            values = self._fast[place][0]
        else:
            base = self._one(at)
            values = fast_widths(self._pricer, self.space.widths, base, [place])[0][0]
        return [int(value) for value in values]

    @one_thread()
    def snap(self, widths: WidthsLike, budget_ms: float | None = None) -> Tensor:
        """The nearest fast widths, up or down, by ratio: int64, shaped as `widths`.

        With a budget, forward at the result is within it, and the widths change as little as a
        local search finds: the sum of |log(new / old)| is kept small. (Values that the least
        latency takes are allowed too, fast or not.) What does not fit in the target's memory is
        never returned. Raises BudgetTooSmall if the least that the space can take is above the
        budget, NothingFits if no widths fit.
        """
        found = self._tensor(widths).detach()
        width_checks.require_in_range(found, self.low, self.high, self.widths)
        budget = None if budget_ms is None else self._shop().within(_number(budget_ms))
        near = nearest([values for values, _ in self._fast], found.cpu())
        for place in np.ndindex(found.shape[:-1]):
            if budget is not None or not bool(self.rooms.holds(near[place][None])):
                within = math.inf if budget is None else budget
                near[place] = snapped(self._shop(), found[place].cpu(), near[place], within)
        return near.to(found.device)

    @one_thread()
    def fill(self, widths: WidthsLike, budget_ms: float) -> Tensor:
        """Legal widths (L,), raised to fast values for as long as one more step is within the
        budget, the step with the most MACs per ms first: int64. None is lowered. Where they are
        above the budget already they stay as they are. Raises DoesNotFit where they do not fit in
        the target's memory; no step goes beyond it."""
        found = self._one(widths)
        self.check(found)
        budget = _number(budget_ms) * (1 - ROUNDING)
        filled = self._shop().search().fill(found.long().cpu(), budget)
        return filled.to(found.device)

    @one_thread()
    def widest(
        self, budget_ms: float, *, keep: float = 0.0, seed: int = 0, thorough: bool = True
    ) -> Tensor:
        """Widths (L,) int64 with as many MACs as found whose forward is within the budget.

        The gradient of the envelope leads there from several starts, drawn with `seed`, and
        stripping the dense network leads there from another; exact local search over fast widths
        goes on from where they end. No width goes below the share `keep` of its max:
        what an LPNet says of much narrower ones than were measured is a guess. Not `thorough` is
        several times faster, and a few percent short of the same MACs. What does not fit in the
        target's memory is never returned. Raises BudgetTooSmall, with the lowest latency of such
        widths, and NothingFits if none fit.
        """
        found = widest(self._shop(_share(keep)), _number(budget_ms), seed, thorough)
        return found.to(self.low.device)

    @one_thread()
    def reachable(self, points: int = 20, *, keep: float = 0.0, seed: int = 0) -> Reachable:
        """The least latency found, and the most capacity found for `points` budgets from there
        to the dense latency; no width goes below the share `keep` of its max. A point is found
        by a quicker search than `widest` makes. All of them fit in the target's memory; raises
        NothingFits if no widths do."""
        if points < 2:
            raise ValueError(f"points must be at least 2, not {points}")
        shop = self._shop(_share(keep))
        floor, dense = shop.ladders.floor_ms, shop.dense_ms
        budgets = torch.linspace(floor, max(dense, floor), points, dtype=torch.float64)
        most = shop.ladders.top if shop.holds(shop.ladders.top) else shop.ladders.floor
        found = front(shop, budgets, seed) if floor < dense else [(max(dense, floor), most)]
        return Reachable(
            floor_ms=floor,
            dense_ms=dense,
            floor_widths=self._named(shop.ladders.floor),
            front=tuple(self._point(shop, budget, widths) for budget, widths in found),
        )

    def _checked(self, widths: WidthsLike, ms: Callable[[Tensor], Tensor]) -> Tensor:
        found = self._tensor(widths)
        if width_checks.unseen(found):
            return width_checks.poison(
                ms(found), width_checks.in_range(found, self.low, self.high)
            )
        width_checks.require_in_range(found, self.low, self.high, self.widths)
        return ms(found)

    def _shop(self, keep: float = 0.0) -> Shop:
        if keep not in self._shops:
            widths, rooms = self.space.widths, self.rooms if self.rooms.limited else None
            rungs = ladders(self._pricer, widths, self._ladders, keep, rooms)
            low = torch.maximum(self.low, keep * self.high)
            macs = Macs(self.space.table).to(self.low.device)
            slope = Slope(self._envelope_ms, macs, low, self.high)
            self._shops[keep] = Shop(self._pricer, rungs, slope, rooms)
        return self._shops[keep]

    def _tensor(self, widths: WidthsLike) -> Tensor:
        return width_checks.as_tensor(widths, self.widths, self.low.device)

    def _place(self, name: str) -> int:
        if name not in self.widths:
            raise WidthsError(f"unknown width {name!r}; this space has {', '.join(self.widths)}")
        return self.widths.index(name)

    def _one(self, widths: WidthsLike) -> Tensor:
        found = self._tensor(widths).detach()
        if found.dim() != 1:
            raise WidthsError(f"expected one width vector, got shape {list(found.shape)}")
        width_checks.require_in_range(found, self.low, self.high, self.widths)
        return found.double()

    def _named(self, widths: Tensor) -> dict[str, int]:
        return {name: int(k) for name, k in zip(self.widths, widths, strict=True)}

    def _point(self, shop: Shop, budget: float, widths: Tensor) -> FrontPoint:
        macs = shop.slope.macs(torch.stack((widths, shop.ladders.top)).to(self.low))
        return FrontPoint(
            budget_ms=budget,
            latency_ms=shop.search().ms(widths),
            macs=round(float(macs[0])),
            capacity=float(macs[0] / macs[1]) if macs[1] else 1.0,
            widths=self._named(widths),
        )

    @abstractmethod
    def _ms(self, widths: Tensor) -> Tensor:
        """What forward says of a tensor (..., L) in range."""

    @abstractmethod
    def _envelope_ms(self, widths: Tensor) -> Tensor:
        """What envelope says of a tensor (..., L) in range."""

    @property
    @abstractmethod
    def rooms(self) -> Rooms:
        """The memory of the target, or of each of several."""

    @property
    @abstractmethod
    def _pricer(self) -> Pricer:
        """What prices the steps of a search."""

    # Made when first asked for, and made again when the module moves to another device.

    @cached_property
    def _fast(self) -> list[tuple[Tensor, Tensor]]:
        places = range(len(self.widths))
        return fast_widths(self._pricer, self.space.widths, self.high, places)

    @cached_property
    def _ladders(self) -> list[tuple[Tensor, ...]]:
        """Of each width the ladders that a search may step along: ascending values."""
        return [(values,) for values, _ in self._fast]

    @cached_property
    def _shops(self) -> dict[float, Shop]:
        return {}

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Self:
        for name in ("_envelope", "_pricer", "_fast", "_ladders", "_shops"):
            self.__dict__.pop(name, None)
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


def _number(budget_ms: float) -> float:
    if not math.isfinite(budget_ms):
        raise LpnetError(f"budget_ms must be a number of milliseconds, not {budget_ms}")
    return float(budget_ms)


def _share(keep: float) -> float:
    if not 0.0 <= keep <= 1.0:
        raise ValueError(f"keep is a share between 0 and 1, not {keep}")
    return keep
