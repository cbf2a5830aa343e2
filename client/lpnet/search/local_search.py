"""Exact local search over rungs: moves of one width, then swaps of two, under a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lpnet.search.ladders import Ladders
from lpnet.search.memory import Rooms
from lpnet.search.prices import Pricer

# Rungs that a move may climb or descend at once.
_STRIDES = (1, 2, 4, 8)
# Promising swaps that are predicted exactly, out of all pairs of moves.
_SWAPS = 48
_ROUNDS = 400
_TINY = 1e-12

Gain = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Moves:
    """Changes of one width each, (N,): where, to which value, and what each brings."""

    places: Tensor
    values: Tensor
    ms: Tensor
    gain: Tensor

    def only(self, chosen: Tensor) -> Moves:
        """Those of them that a mask (N,) says."""
        return Moves(*(part[chosen] for part in (self.places, self.values, self.ms, self.gain)))


class Search:
    """Seeks widths of high `gain` ((N, L) to (N,)) among rungs; deterministic. From widths that
    fit in `rooms` no step leads to widths that do not."""

    def __init__(
        self, pricer: Pricer, ladders: Ladders, gain: Gain, rooms: Rooms | None = None
    ) -> None:
        self.pricer = pricer
        self.ladders = ladders
        self.gain = gain
        self.rooms = rooms

    def ms(self, widths: Tensor) -> float:
        """Predicted milliseconds of one width vector (L,)."""
        return float(self._totals(widths.unsqueeze(0))[0])

    def into(self, widths: Tensor, budget: float) -> Tensor | None:
        """Steps that save the most ms per gain lost, until within the budget; None: stuck. What
        does not fit in memory is made to fit first."""
        if self.rooms is not None:
            fitting = self._relieved(widths, self.rooms)
            if fitting is None:
                return None
            widths = fitting
        ms = self.ms(widths)
        for _ in range(_ROUNDS):
            if ms <= budget:
                return widths
            moves = self._moves(widths)
            lost = (-moves.gain).clamp(min=_TINY)
            rate = torch.where(moves.ms < -_TINY, -moves.ms / lost, -torch.inf)
            best = int(rate.argmax()) if len(rate) else 0
            if not len(rate) or rate[best] == -torch.inf:
                return None
            widths = _moved(widths, moves, best)
            ms = self.ms(widths)
        return None

    def _relieved(self, widths: Tensor, rooms: Rooms) -> Tensor | None:
        """Steps that free the most memory per gain lost, until it fits; None: stuck."""
        for _ in range(_ROUNDS):
            share = rooms.share(widths[None])
            if share[0] < 1.0:
                return widths
            _, _, rows = self._steps(widths)
            freed = share - rooms.share(rows)
            lost = self._gains(widths[None]) - self._gains(rows)
            rate = torch.where(freed > _TINY, freed / lost.clamp(min=_TINY), -torch.inf)
            best = int(rate.argmax()) if len(rate) else 0
            if not len(rate) or rate[best] == -torch.inf:
                return None
            widths = rows[best]
        return None

    def improve(self, widths: Tensor, budget: float, *, swaps: bool = True) -> Tensor:
        """Raises the gain, staying within the budget, until no move and no swap does."""
        for _ in range(_ROUNDS):
            moves, ms = self._moves(widths), self.ms(widths)
            better = self._single(widths, moves, budget - ms)
            if better is None and swaps:
                better = self._swap(widths, moves, budget, ms)
            if better is None:
                break
            widths = better
        return widths

    def fill(self, widths: Tensor, budget: float) -> Tensor:
        """Raises widths, lowering none, for as long as one step up is within the budget; those
        above it already stay."""
        for _ in range(_ROUNDS):
            room = budget - self.ms(widths)
            if room < 0:
                break
            moves = self._moves(widths)
            up = moves.only(moves.values > widths[moves.places])
            better = self._single(widths, up, room)
            if better is None:
                break
            widths = better
        return widths

    def _single(self, widths: Tensor, moves: Moves, room: float) -> Tensor | None:
        """The move that brings the most gain per ms among those that fit."""
        fits = (moves.ms <= room) & (moves.gain > _TINY)
        if not bool(fits.any()):
            return None
        rate = moves.gain / moves.ms.clamp(min=_TINY)
        best = int(torch.where(fits, rate, -torch.inf).argmax())
        return _moved(widths, moves, best)

    def _swap(self, widths: Tensor, moves: Moves, budget: float, ms: float) -> Tensor | None:
        """The best pair of moves of two widths, one gaining and one saving."""
        up = (moves.gain > _TINY).nonzero().flatten()
        down = (moves.ms < -_TINY).nonzero().flatten()
        gain = moves.gain[up, None] + moves.gain[down]
        # Prices of two moves add up nearly; a little over is worth an exact look.
        fits = ms + moves.ms[up, None] + moves.ms[down] <= budget * 1.002
        fits &= (moves.places[up, None] != moves.places[down]) & (gain > _TINY)
        pairs = fits.nonzero()
        if not len(pairs):
            return None
        order = gain[fits].argsort(descending=True, stable=True)[:_SWAPS]
        first, second = up[pairs[order, 0]], down[pairs[order, 1]]
        rows = widths.repeat(len(order), 1)
        turn = torch.arange(len(order))
        rows[turn, moves.places[first]] = moves.values[first]
        rows[turn, moves.places[second]] = moves.values[second]
        exact = self._gains(rows) - self._gains(widths.unsqueeze(0))
        fine = (self._totals(rows) <= budget) & (exact > _TINY) & self._held(rows)
        if not bool(fine.any()):
            return None
        return rows[int(torch.where(fine, exact, -torch.inf).argmax())]

    def _moves(self, widths: Tensor) -> Moves:
        where, value, rows = self._steps(widths)
        if self.rooms is not None:
            held = self.rooms.holds(rows)
            where, value, rows = where[held], value[held], rows[held]
        device = self.pricer.device
        ms = self.pricer.changes(widths.to(device), where.to(device), value.to(device)).cpu()
        return Moves(where, value, ms, self._gains(rows) - self._gains(widths.unsqueeze(0)))

    def _steps(self, widths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Changes of one width each, (N,): where, to which value; and where they lead, (N, L)."""
        places: list[int] = []
        values: list[int] = []
        for place, several in enumerate(self.ladders.each):
            found = dict.fromkeys(
                value for rungs in several for value in _near(rungs, int(widths[place]))
            )
            places += [place] * len(found)
            values += found
        where, value = torch.tensor(places).long(), torch.tensor(values).long()
        rows = widths.repeat(len(where), 1)
        rows[torch.arange(len(where)), where] = value
        return where, value, rows

    def _held(self, rows: Tensor) -> Tensor:
        if self.rooms is None:
            return torch.ones(len(rows), dtype=torch.bool)
        return self.rooms.holds(rows)

    def _gains(self, rows: Tensor) -> Tensor:
        return self.gain(rows.double())

    def _totals(self, rows: Tensor) -> Tensor:
        return self.pricer.total(rows.to(self.pricer.device)).cpu()


def _near(rungs: Tensor, here: int) -> list[int]:
    """The rungs some strides above and below a value."""
    above = int(torch.searchsorted(rungs, here, right=True))
    below = int(torch.searchsorted(rungs, here)) - 1
    near = [above + stride - 1 for stride in _STRIDES]
    near += [below - stride + 1 for stride in _STRIDES]
    return [int(rungs[i]) for i in near if 0 <= i < len(rungs)]


def _moved(widths: Tensor, moves: Moves, index: int) -> Tensor:
    widths = widths.clone()
    widths[moves.places[index]] = moves.values[index]
    return widths
