"""Prices of units tabulated over fast channel counts: what an envelope interpolates in.

Every unit has at most two axes, what its input channels and its output channels follow. An axis
is an affine function of the widths, so the grid of a unit between two widths is the product of
their fast widths, and one of a depthwise conv a single line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lpnet.errors import LpnetError
from lpnet.search.fast_widths import thinned
from lpnet.search.prices import Repricer, Situation

# Points of an axis at most; two such axes still make a small table.
MOST = 40
# Where several widths make up a channel count there are no fast widths: its multiples serve.
_STEP = 8


@dataclass(frozen=True)
class Axis:
    """A channel count c = slope . w + constant and its ascending grid, in channels (float64)."""

    slope: Tensor
    constant: float
    grid: Tensor


@dataclass(frozen=True)
class UnitTable:
    """Prices of one unit, (points of `rows`, points of `columns`); an axis of -1 has one point.

    They never fall along an axis: each is the least of itself and all beyond it.
    """

    rows: int
    columns: int
    prices: Tensor


def tabulate(
    repricer: Repricer,
    dense: Tensor,
    grids: Sequence[tuple[Tensor, Tensor]],
) -> tuple[list[Axis], list[UnitTable]]:
    """Axes and one table per unit. `grids` holds fast values and their cost for each width."""
    maker = _Maker(repricer, dense, grids)
    queries = [maker.query(unit) for unit in range(len(maker.dense.c_in))]
    units = torch.cat([torch.full((len(q.seen.c_in),), i) for i, q in enumerate(queries)])
    flat = Situation(*(torch.cat(parts) for parts in zip(*(q.seen for q in queries), strict=True)))
    device = repricer.device
    prices = repricer.prices(units.to(device), Situation(*(part.to(device) for part in flat)))
    parts = torch.split(prices.cpu(), [len(q.seen.c_in) for q in queries])
    tables = []
    for query, part in zip(queries, parts, strict=True):
        grid = part.reshape(query.shape)
        for axis in (0, 1):
            grid = grid.flip(axis).cummin(axis).values.flip(axis)
        tables.append(UnitTable(query.rows, query.columns, grid))
    return maker.axes, tables


@dataclass(frozen=True)
class _Query:
    """The situations to price for one unit's table, flattened."""

    rows: int
    columns: int
    shape: tuple[int, int]
    seen: Situation


class _Maker:
    def __init__(
        self, repricer: Repricer, dense: Tensor, grids: Sequence[tuple[Tensor, Tensor]]
    ) -> None:
        self.slopes = Situation(*(part.cpu() for part in repricer.slopes))
        self.constants = Situation(*(part.cpu() for part in repricer.constants))
        self.dense = Situation(*(part.cpu() for part in repricer.situation(dense)))
        self.grids = [thinned(values, cost, MOST).double() for values, cost in grids]
        self.axes: list[Axis] = []

    def query(self, unit: int) -> _Query:
        """Rows follow the input channels, columns the output's where they go their own way."""
        rows = self._axis(self.slopes.c_in[:, unit], self.constants.c_in[unit])
        columns = self._axis(self.slopes.c_out[:, unit], self.constants.c_out[unit])
        if rows < 0 or columns < 0 or self._ratio("c_out", unit, rows) is None:
            shape = (self._points(rows), self._points(columns))
        else:
            columns, shape = -1, (self._points(rows), 1)
        row_grid = self._grid(rows, self.dense.c_in[unit]).repeat_interleave(shape[1])
        column_grid = self._grid(columns, self.dense.c_out[unit]).repeat(shape[0])
        parts = {}
        for name in Situation._fields:
            parts[name] = self._follow(name, unit, rows, columns, row_grid, column_grid)
        return _Query(rows, columns, shape, Situation(**parts))

    def _follow(
        self, name: str, unit: int, rows: int, columns: int, row_grid: Tensor, column_grid: Tensor
    ) -> Tensor:
        """A channel count over a unit's grid: along the axis it goes with, else as when dense."""
        for axis, grid in ((rows, row_grid), (columns, column_grid)):
            ratio = None if axis < 0 else self._ratio(name, unit, axis)
            if ratio is not None:
                shift = float(getattr(self.constants, name)[unit])
                return ratio * (grid - self.axes[axis].constant) + shift
        slope = getattr(self.slopes, name)[:, unit]
        moving = [len(grid) > 1 for grid in self.grids]
        if name == "groups" and bool(slope[torch.tensor(moving, dtype=torch.bool)].any()):
            raise LpnetError(
                f"kernel {unit}: its groups follow neither its input nor its output channels, "
                "so it has no envelope"
            )
        return torch.full_like(row_grid, float(getattr(self.dense, name)[unit]))

    def _ratio(self, name: str, unit: int, axis: int) -> float | None:
        """How many times the axis' slope a channel count's slope is; None: not a multiple."""
        slope, along = getattr(self.slopes, name)[:, unit], self.axes[axis].slope
        if not bool(slope.any()):
            return None
        place = int(along.abs().argmax())
        ratio = float(slope[place] / along[place])
        return ratio if torch.equal(slope, ratio * along) else None

    def _axis(self, slope: Tensor, constant: Tensor) -> int:
        """Index of the axis with this map, made if new; -1 where nothing varies."""
        if not bool(slope.any()):
            return -1
        for index, axis in enumerate(self.axes):
            if axis.constant == float(constant) and torch.equal(axis.slope, slope):
                return index
        grid = self._axis_grid(slope, float(constant))
        if len(grid) < 2:
            return -1
        self.axes.append(Axis(slope, float(constant), grid))
        return len(self.axes) - 1

    def _axis_grid(self, slope: Tensor, constant: float) -> Tensor:
        places = slope.nonzero().flatten().tolist()
        if len(places) == 1:
            only: Tensor = slope[places[0]] * self.grids[places[0]] + constant
            return only
        low = constant + sum(float(slope[p] * self.grids[p][0]) for p in places)
        high = constant + sum(float(slope[p] * self.grids[p][-1]) for p in places)
        steps = torch.arange(_STEP * (low // _STEP + 1), high, _STEP, dtype=torch.float64)
        ends = torch.tensor([low, high], dtype=torch.float64)
        grid: Tensor = torch.unique(torch.cat((ends, steps)))
        return grid if len(grid) <= MOST else grid[torch.linspace(0, len(grid) - 1, MOST).long()]

    def _points(self, axis: int) -> int:
        return 1 if axis < 0 else len(self.axes[axis].grid)

    def _grid(self, axis: int, dense: Tensor) -> Tensor:
        return dense.reshape(1) if axis < 0 else self.axes[axis].grid
