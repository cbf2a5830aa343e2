"""Counting the parameters of a model by the rows of its op table.

The table counts the weights of layers, with a bias per channel. It knows neither position
embeddings, class tokens and tables of words, nor that a layer has no bias or shares its weight. So
a space lists the parameters of the rows for which the table has another number.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from lpnet.space.axis import Axis, Width
from lpnet.space.parameter_counts import Matrix, ParameterCounts, RowParameters, Side
from lpnet.space.raw import RawGraph, RawNode
from lpnet.space.solver.solution import Solution
from lpnet.space.template import Template

_BIASED = frozenset({"Conv", "ConvTranspose", "Gemm"})


def row_parameters(
    raw: RawGraph, solution: Solution, rows: Mapping[str, int], template: Template
) -> tuple[RowParameters, ...]:
    """The parameters of the rows for which the table of a template has another number.

    `rows` are those that compute the tensors. A parameter belongs to the row that reads it first.
    What no row reads is not counted, and buffers are none.
    """
    listing = _Listing(raw, solution, rows, template)
    for node in raw.nodes:
        listing.read(node)
    entries = [*listing.entries()]
    table, counts = template.table(), ParameterCounts.of(entries, template.widths)
    differs = np.zeros(len(table.rows), dtype=bool)
    for widths in _samples(template.widths):
        own = np.zeros(len(table.rows))
        np.add.at(own, counts.rows, counts.each(widths))
        differs |= np.rint(own) != np.rint(table.layer_params(widths))
    # A row without entries has no parameters.
    missing = set(np.flatnonzero(differs).tolist()).difference(entry.row for entry in entries)
    kept = [entry for entry in entries if differs[entry.row]]
    kept += [RowParameters(row, 0) for row in missing]
    return tuple(sorted(kept, key=lambda entry: (entry.row, -entry.times, entry.sides)))


def _samples(widths: Sequence[Width]) -> Iterator[Matrix]:
    """Widths at which two counts agree only if they are the same function."""
    granules = np.array([width.granule for width in widths], dtype=np.float64)
    units = np.array([width.max // width.granule for width in widths], dtype=np.float64)
    yield granules
    yield granules * units
    yield granules * (1 + 7 * np.arange(len(widths)) % np.maximum(units, 1))


class _Listing:
    """The parameters of each row by their sides, while nodes are read in order."""

    def __init__(
        self,
        raw: RawGraph,
        solution: Solution,
        rows: Mapping[str, int],
        template: Template,
    ) -> None:
        self._raw, self._solution, self._rows = raw, solution, rows
        self._types = [node.type for node in template.graph.nodes]
        self._counted = set(raw.buffers)
        self._biased: set[int] = set()
        # The channels of rows into which a BatchNorm is folded, which leaves them a bias.
        self._folded: dict[int, Axis] = {}
        self._counts: dict[int, Counter[tuple[Side, ...]]] = defaultdict(Counter)

    def read(self, node: RawNode) -> None:
        row = self._rows.get(node.outputs[0], -1)
        if row < 0:
            return
        inputs = node.inputs
        if node.op == "BatchNormalization":
            # The others are statistics.
            inputs = inputs[:3]
            if self._types[row] != "batch_norm":
                self._folded[row] = self._solution.dims(node.outputs[0])[1]
                return
        for name in inputs:
            for parameter in self._solution.parameters(name):
                self._count(parameter, row)
        bias = inputs[2] if node.op in _BIASED and len(inputs) > 2 else ""
        if self._solution.parameters(bias) or (node.op == "Add" and self._types[row] == "linear"):
            self._biased.add(row)

    def _count(self, name: str, row: int) -> None:
        if name in self._counted:
            return
        self._counted.add(name)
        axes, reads = self._solution.dims(name), self._solution.group_reads(name)
        sides = [Side.of(axis) for axis in axes]
        if reads is not None:
            # Each group reads its part of the channels.
            sides[1] = Side.of(reads, reads.dense // axes[1].dense)
        self._add(row, sides)

    def _add(self, row: int, sides: Sequence[Side]) -> None:
        times = 1
        for side in sides:
            times *= 1 if side.positions else side.constant
        varying = sorted((side for side in sides if side.positions), key=lambda s: s.positions)
        self._counts[row][tuple(varying)] += times

    def entries(self) -> Iterator[RowParameters]:
        for row, channels in self._folded.items():
            if row not in self._biased:
                self._add(row, [Side.of(channels)])
        for row, counts in sorted(self._counts.items()):
            for sides, times in counts.items():
                yield RowParameters(row, times, sides)
