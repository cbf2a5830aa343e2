"""Prices of kernels tabulated over fast channel counts: the envelope interpolates in these.

Every kernel has at most two axes: one that its input channels follow, and one for its output
channels. An axis is an affine function of the widths, so the grid of a kernel between two widths
is the product of their fast widths, and that of a depthwise conv is a single line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lpnet.errors import LpnetError
from lpnet.model.base import KernelContext
from lpnet.search.fast_widths import thinned
from lpnet.search.prices import KernelPricer

# Max points of an axis. Two such axes still make a small table.
MAX_POINTS = 40
# The grid of a channel count that is a sum of several widths, which has no fast widths.
_STEP = 8


@dataclass(frozen=True)
class Axis:
    """A channel count c = slope . w + constant and its ascending grid, in channels (float64)."""

    slope: Tensor
    constant: float
    grid: Tensor


@dataclass(frozen=True)
class KernelTable:
    """Prices of one kernel, (points of `rows`, points of `columns`); an axis of -1 has one point.

    They never fall along an axis: each is the minimum of itself and all beyond it.
    """

    rows: int
    columns: int
    prices: Tensor


def tabulate(
    pricer: KernelPricer,
    dense: Tensor,
    grids: Sequence[tuple[Tensor, Tensor]],
) -> tuple[list[Axis], list[KernelTable]]:
    """Axes and one table per kernel. `grids` holds fast values and their cost for each width."""
    builder = _TableBuilder(pricer, dense, grids)
    queries = [builder.query(kernel) for kernel in range(len(builder.dense.c_in))]
    sizes = [len(query.context.c_in) for query in queries]
    kernels = torch.cat([torch.full((size,), index) for index, size in enumerate(sizes)])
    contexts = zip(*(query.context for query in queries), strict=True)
    device = pricer.device
    context = KernelContext(*(torch.cat(parts).to(device) for parts in contexts))
    prices = pricer.prices(kernels.to(device), context)
    tables = []
    for query, part in zip(queries, torch.split(prices.cpu(), sizes), strict=True):
        grid = part.reshape(query.shape)
        for axis in (0, 1):
            grid = grid.flip(axis).cummin(axis).values.flip(axis)
        tables.append(KernelTable(query.rows, query.columns, grid))
    return builder.axes, tables


@dataclass(frozen=True)
class _Query:
    """The contexts to price for one kernel's table, flattened."""

    rows: int
    columns: int
    shape: tuple[int, int]
    context: KernelContext


class _TableBuilder:
    def __init__(
        self, pricer: KernelPricer, dense: Tensor, grids: Sequence[tuple[Tensor, Tensor]]
    ) -> None:
        self.slopes = KernelContext(*(part.cpu() for part in pricer.slopes))
        self.constants = KernelContext(*(part.cpu() for part in pricer.constants))
        self.dense = KernelContext(*(part.cpu() for part in pricer.contexts(dense)))
        self.grids = [thinned(values, cost, MAX_POINTS).double() for values, cost in grids]
        self.axes: list[Axis] = []

    def query(self, kernel: int) -> _Query:
        # Rows follow the input channels. Columns follow the output channels, unless these are tied
        # to the input.
        rows = self._axis(self.slopes.c_in[:, kernel], self.constants.c_in[kernel])
        columns = self._axis(self.slopes.c_out[:, kernel], self.constants.c_out[kernel])
        if rows < 0 or columns < 0 or self._ratio("c_out", kernel, rows) is None:
            shape = (self._points(rows), self._points(columns))
        else:
            columns, shape = -1, (self._points(rows), 1)
        row_grid = self._grid(rows, self.dense.c_in[kernel]).repeat_interleave(shape[1])
        column_grid = self._grid(columns, self.dense.c_out[kernel]).repeat(shape[0])
        context = KernelContext(
            *(
                self._along_grid(name, kernel, (rows, row_grid), (columns, column_grid))
                for name in KernelContext._fields
            )
        )
        return _Query(rows, columns, shape, context)

    def _along_grid(self, name: str, kernel: int, *axes: tuple[int, Tensor]) -> Tensor:
        # A channel count follows an axis of the grid if it can; otherwise it is as in the dense
        # network.
        for axis, grid in axes:
            ratio = None if axis < 0 else self._ratio(name, kernel, axis)
            if ratio is not None:
                shift = float(getattr(self.constants, name)[kernel])
                return ratio * (grid - self.axes[axis].constant) + shift
        slope = getattr(self.slopes, name)[:, kernel]
        varies = [len(grid) > 1 for grid in self.grids]
        if name == "groups" and bool(slope[torch.tensor(varies, dtype=torch.bool)].any()):
            raise LpnetError(
                f"kernel {kernel} has no envelope: its groups follow neither its input nor its "
                "output channels"
            )
        return torch.full_like(axes[0][1], float(getattr(self.dense, name)[kernel]))

    def _ratio(self, name: str, kernel: int, axis: int) -> float | None:
        """The slope of a channel count over that of an axis; None if it is not a multiple."""
        slope, along = getattr(self.slopes, name)[:, kernel], self.axes[axis].slope
        if not bool(slope.any()):
            return None
        steepest = int(along.abs().argmax())
        ratio = float(slope[steepest] / along[steepest])
        return ratio if torch.equal(slope, ratio * along) else None

    def _axis(self, slope: Tensor, constant: Tensor) -> int:
        """Index of the axis with this map, which is created if new; -1 if nothing varies."""
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
        widths = slope.nonzero().flatten().tolist()
        if len(widths) == 1:
            scaled: Tensor = slope[widths[0]] * self.grids[widths[0]] + constant
            return scaled
        low = constant + sum(float(slope[w] * self.grids[w][0]) for w in widths)
        high = constant + sum(float(slope[w] * self.grids[w][-1]) for w in widths)
        steps = torch.arange(_STEP * (low // _STEP + 1), high, _STEP, dtype=torch.float64)
        ends = torch.tensor([low, high], dtype=torch.float64)
        grid: Tensor = torch.unique(torch.cat((ends, steps)))
        if len(grid) <= MAX_POINTS:
            return grid
        return grid[torch.linspace(0, len(grid) - 1, MAX_POINTS).long()]

    def _points(self, axis: int) -> int:
        return 1 if axis < 0 else len(self.axes[axis].grid)

    def _grid(self, axis: int, dense: Tensor) -> Tensor:
        return dense.reshape(1) if axis < 0 else self.axes[axis].grid
