"""Numbers of parameters: products of numbers of positions, each affine in the widths."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from lpnet.space.axis import Axis, Width

Matrix = NDArray[np.float64]
Indices = NDArray[np.int64]


@dataclass(frozen=True)
class Side:
    """A number of positions: `constant`, and for each width those that there are at its max."""

    constant: int
    positions: tuple[tuple[str, int], ...] = ()

    @classmethod
    def of(cls, axis: Axis, groups: int = 1) -> Side:
        """The positions of one of several equal groups of an axis."""
        constant, positions = 0, dict[str, int]()
        for segment in axis.segments:
            count = segment.size * segment.inner
            if segment.width is None:
                constant += count
            else:
                positions[segment.width] = positions.get(segment.width, 0) + count
        divided = ((name, count // groups) for name, count in sorted(positions.items()))
        return cls(constant // groups, tuple(divided))


@dataclass(frozen=True)
class RowParameters:
    """`times` parameters of a row of the op table for each combination of positions of `sides`."""

    row: int
    times: int
    sides: tuple[Side, ...] = ()


@dataclass(frozen=True)
class ParameterCounts:
    """Entries of rows as arithmetic.

    `a` (sides, widths) and `b` (sides,) are the affine maps of distinct sides. `sides` (entries,
    factors) are the indices of those that each entry multiplies.
    """

    rows: Indices
    times: Matrix
    sides: Indices
    a: Matrix
    b: Matrix

    @classmethod
    def of(cls, entries: Sequence[RowParameters], widths: Sequence[Width]) -> ParameterCounts:
        single = Side(1)
        listed = [single, *(side for entry in entries for side in entry.sides)]
        distinct = {side: index for index, side in enumerate(dict.fromkeys(listed))}
        columns = {width.name: (column, width.max) for column, width in enumerate(widths)}
        a, b = np.zeros((len(distinct), len(widths))), np.zeros(len(distinct))
        for side, index in distinct.items():
            b[index] = side.constant
            for name, count in side.positions:
                column, max_width = columns[name]
                a[index, column] = count / max_width
        factors = max((len(entry.sides) for entry in entries), default=0)
        indices = np.full((len(entries), factors), distinct[single], dtype=np.int64)
        for position, entry in enumerate(entries):
            indices[position, : len(entry.sides)] = [distinct[side] for side in entry.sides]
        return cls(
            np.array([entry.row for entry in entries], dtype=np.int64),
            np.array([entry.times for entry in entries], dtype=np.float64),
            indices,
            a,
            b,
        )

    def each(self, widths: Matrix) -> Matrix:
        """Parameters of each entry: (..., widths) to (..., entries)."""
        positions = widths @ self.a.T + self.b
        return np.asarray(self.times * positions[..., self.sides].prod(-1))

    def slice(self, start: int, stop: int) -> ParameterCounts:
        """The entries of rows start to stop, which become the first."""
        part = (start <= self.rows) & (self.rows < stop)
        return replace(
            self, rows=self.rows[part] - start, times=self.times[part], sides=self.sides[part]
        )
