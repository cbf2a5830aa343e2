"""Exact local search over rungs: moves of one width, then swaps of two, under a budget."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from lpnet.search.ladders import Ladders
from lpnet.search.memory import TargetMemories
from lpnet.search.prices import Pricer

# Rungs that a move may climb or descend at once.
_STRIDES = (1, 2, 4, 8)
# Swaps that are predicted exactly: the most promising of all pairs of moves.
_SWAPS = 48
_ROUNDS = 400
_TINY = 1e-12

Gain = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Moves:
    """Changes of one width each, (N,): which width, its new value, the ms and gain added."""

    indices: Tensor
    values: Tensor
    ms: Tensor
    gain: Tensor

    def where(self, mask: Tensor) -> Moves:
        return Moves(*(part[mask] for part in (self.indices, self.values, self.ms, self.gain)))


class LocalSearch:
    """Looks for widths of high `gain` ((N, L) to (N,)) among rungs; deterministic.

    If the start fits in `memories`, so does every step.
    """

    def __init__(
        self,
        pricer: Pricer,
        ladders: Ladders,
        gain: Gain,
        memories: TargetMemories | None = None,
    ) -> None:
        self.pricer = pricer
        self.ladders = ladders
        self.gain = gain
        self.memories = memories

    def ms(self, widths: Tensor) -> float:
        return float(self._totals(widths.unsqueeze(0))[0])

    def reduce(self, widths: Tensor, budget: float) -> Tensor | None:
        """Take the step that saves the most ms per gain lost until within the budget. None if no
        step saves anything. Widths that do not fit in memory are made to fit first."""
        if self.memories is not None:
            fitting = self._reduce_memory(widths, self.memories)
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

    def _reduce_memory(self, widths: Tensor, memories: TargetMemories) -> Tensor | None:
        """Take the step that frees the most memory per gain lost until the widths fit. None if no
        step frees any."""
        for _ in range(_ROUNDS):
            share = memories.share(widths[None])
            if share[0] < 1.0:
                return widths
            _, _, rows = self._neighbours(widths)
            freed = share - memories.share(rows)
            lost = self._gains(widths[None]) - self._gains(rows)
            rate = torch.where(freed > _TINY, freed / lost.clamp(min=_TINY), -torch.inf)
            best = int(rate.argmax()) if len(rate) else 0
            if not len(rate) or rate[best] == -torch.inf:
                return None
            widths = rows[best]
        return None

    def improve(self, widths: Tensor, budget: float, *, swaps: bool = True) -> Tensor:
        """Raise the gain within the budget until neither a move nor a swap raises it."""
        for _ in range(_ROUNDS):
            moves, ms = self._moves(widths), self.ms(widths)
            better = self._best_move(widths, moves, budget - ms)
            if better is None and swaps:
                better = self._best_swap(widths, moves, budget, ms)
            if better is None:
                break
            widths = better
        return widths

    def fill(self, widths: Tensor, budget: float) -> Tensor:
        """Raise widths, lowering none, while a step up is within the budget. Widths above the
        budget stay as they are."""
        for _ in range(_ROUNDS):
            slack = budget - self.ms(widths)
            if slack < 0:
                break
            moves = self._moves(widths)
            up = moves.where(moves.values > widths[moves.indices])
            better = self._best_move(widths, up, slack)
            if better is None:
                break
            widths = better
        return widths

    def _best_move(self, widths: Tensor, moves: Moves, slack_ms: float) -> Tensor | None:
        fits = (moves.ms <= slack_ms) & (moves.gain > _TINY)
        if not bool(fits.any()):
            return None
        rate = moves.gain / moves.ms.clamp(min=_TINY)
        best = int(torch.where(fits, rate, -torch.inf).argmax())
        return _moved(widths, moves, best)

    def _best_swap(self, widths: Tensor, moves: Moves, budget: float, ms: float) -> Tensor | None:
        up = (moves.gain > _TINY).nonzero().flatten()
        down = (moves.ms < -_TINY).nonzero().flatten()
        gain = moves.gain[up, None] + moves.gain[down]
        # The prices of two moves only nearly add up, so a little over the budget is checked too.
        fits = ms + moves.ms[up, None] + moves.ms[down] <= budget * 1.002
        fits &= (moves.indices[up, None] != moves.indices[down]) & (gain > _TINY)
        pairs = fits.nonzero()
        if not len(pairs):
            return None
        order = gain[fits].argsort(descending=True, stable=True)[:_SWAPS]
        first, second = up[pairs[order, 0]], down[pairs[order, 1]]
        rows = widths.repeat(len(order), 1)
        row = torch.arange(len(order))
        rows[row, moves.indices[first]] = moves.values[first]
        rows[row, moves.indices[second]] = moves.values[second]
        exact = self._gains(rows) - self._gains(widths.unsqueeze(0))
        valid = (self._totals(rows) <= budget) & (exact > _TINY) & self._may_fit(rows)
        if not bool(valid.any()):
            return None
        return rows[int(torch.where(valid, exact, -torch.inf).argmax())]

    def _moves(self, widths: Tensor) -> Moves:
        index, value, rows = self._neighbours(widths)
        if self.memories is not None:
            fits = self.memories.may_fit(rows)
            index, value, rows = index[fits], value[fits], rows[fits]
        device = self.pricer.device
        ms = self.pricer.changes(widths.to(device), index.to(device), value.to(device)).cpu()
        return Moves(index, value, ms, self._gains(rows) - self._gains(widths.unsqueeze(0)))

    def _neighbours(self, widths: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Changes of a single width: its index (N,), its new value (N,), the new widths (N, L)."""
        indices: list[int] = []
        values: list[int] = []
        for index, ladders in enumerate(self.ladders.per_width):
            candidates = dict.fromkeys(
                value for rungs in ladders for value in _near(rungs, int(widths[index]))
            )
            indices += [index] * len(candidates)
            values += candidates
        which, value = torch.tensor(indices).long(), torch.tensor(values).long()
        rows = widths.repeat(len(which), 1)
        rows[torch.arange(len(which)), which] = value
        return which, value, rows

    def _may_fit(self, rows: Tensor) -> Tensor:
        if self.memories is None:
            return torch.ones(len(rows), dtype=torch.bool)
        return self.memories.may_fit(rows)

    def _gains(self, rows: Tensor) -> Tensor:
        return self.gain(rows.double())

    def _totals(self, rows: Tensor) -> Tensor:
        return self.pricer.total(rows.to(self.pricer.device)).cpu()


def _near(rungs: Tensor, value: int) -> list[int]:
    above = int(torch.searchsorted(rungs, value, right=True))
    below = int(torch.searchsorted(rungs, value)) - 1
    near = [above + stride - 1 for stride in _STRIDES]
    near += [below - stride + 1 for stride in _STRIDES]
    return [int(rungs[i]) for i in near if 0 <= i < len(rungs)]


def _moved(widths: Tensor, moves: Moves, index: int) -> Tensor:
    widths = widths.clone()
    widths[moves.indices[index]] = moves.values[index]
    return widths
