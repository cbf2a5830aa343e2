"""A template: the normalised graph with widths along its channel axes, and its op table."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpnet.errors import SpaceError
from lpnet.space.axis import Axis, Width
from lpnet.space.graph import INPUT, Graph, Node, axis_of, propagate
from lpnet.space.table import OpRow, OpTable


@dataclass(frozen=True)
class Template:
    """`axes` are the channels of each node's output, `input` those of the graph's input."""

    graph: Graph
    widths: tuple[Width, ...]
    input: Axis
    axes: tuple[Axis, ...]

    @classmethod
    def of(
        cls, graph: Graph, widths: tuple[Width, ...], source: Axis, own: dict[int, Axis]
    ) -> Template:
        """A template from the axes of conv and linear nodes. Raises SpaceError."""

        def meet(index: int, left: Axis, right: Axis) -> None:
            if left != right:
                raise SpaceError(
                    f"{graph.nodes[index].name} adds {left.label()} to {right.label()} channels"
                )

        axes = propagate(graph, source, own.__getitem__, meet)
        for index, node in enumerate(graph.nodes):
            if node.weighted and axes[index].dense != node.c_out:
                raise SpaceError(f"{node.name} has {node.c_out} channels, not {axes[index].dense}")
        if source.dense != graph.c:
            raise SpaceError(f"the input has {graph.c} channels, not {source.dense}")
        return cls(graph, widths, source, axes)

    def axis_in(self, index: int) -> Axis:
        return axis_of(self.graph.nodes[index].inputs[0], self.input, self.axes)

    def depthwise(self, index: int) -> bool:
        return self.graph.depthwise(index, self.axis_in(index))

    def slice(self, start: int, stop: int) -> Template:
        """Only the widths in these nodes remain."""
        sizes, flats = self.graph.sizes(), self.graph.flats()
        previous = start - 1
        source = axis_of(previous, self.input, self.axes)
        h, w = self.graph.size_of(previous, sizes)
        flat = self.graph.flat if previous == INPUT else flats[previous]
        graph = Graph(self.graph.slice(start, stop), source.dense, h, w, flat)
        axes = self.axes[start:stop]
        names = source.widths.union(*(axis.widths for axis in axes))
        widths = tuple(width for width in self.widths if width.name in names)
        return Template(graph, widths, source, axes)

    def resized(self, h: int, w: int) -> Template:
        """The template at another resolution. Raises SpaceError if a flatten fixes it."""
        if self.graph.flat:
            raise SpaceError("this space takes features, which have no resolution")
        graph = replace(self.graph, h=h, w=w)
        own = {i: axis for i, axis in enumerate(self.axes) if graph.nodes[i].weighted}
        resized = Template.of(graph, self.widths, self.input, own)
        for index, node in enumerate(graph.nodes):
            expected, actual = self.axis_in(index), resized.axis_in(index)
            if node.type == "linear" and expected != actual:
                raise SpaceError(
                    f"{node.name} takes {expected.dense} features and would get {actual.dense} at "
                    f"{h}x{w} pixels: the resolution of this space is fixed"
                )
        return resized

    def table(self) -> OpTable:
        graph, sizes = self.graph, self.graph.sizes()
        rows = tuple(
            _row(node, graph.size_of(node.inputs[0], sizes), sizes[i])
            for i, node in enumerate(graph.nodes)
        )
        names = [width.name for width in self.widths]
        inputs = [self.axis_in(i) for i in range(len(rows))]
        # A depthwise conv has as many groups as input channels.
        groups = [
            inputs[i] if self.depthwise(i) else Axis.constant(node.groups)
            for i, node in enumerate(graph.nodes)
        ]
        a_in, b_in = _affine(inputs, names)
        a_out, b_out = _affine(list(self.axes), names)
        a_g, b_g = _affine(groups, names)
        return OpTable(rows, a_in, b_in, a_out, b_out, a_g, b_g)

    def digest(self, blocks: list[dict[str, Any]]) -> str:
        """sha256 of the template, as hex; name and batch size are not part of it."""
        content = {
            "nodes": [asdict(node) for node in self.graph.nodes],
            "input": [self.input.label(), self.graph.h, self.graph.w, self.graph.flat],
            "axes": [[asdict(s) for s in axis.segments] for axis in self.axes],
            "widths": [asdict(width) for width in self.widths],
            "blocks": blocks,
        }
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def _affine(axes: list[Axis], names: list[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    matrix = np.zeros((len(axes), len(names)))
    constant = np.zeros(len(axes))
    columns = {name: i for i, name in enumerate(names)}
    for row, axis in enumerate(axes):
        factors, constant[row] = axis.affine()
        for name, factor in factors.items():
            matrix[row, columns[name]] = factor
    matrix.flags.writeable = constant.flags.writeable = False
    return matrix, constant


def _row(node: Node, size: tuple[int, int], out: tuple[int, int]) -> OpRow:
    return OpRow(
        name=node.name,
        type=node.type,
        inputs=node.inputs,
        h=size[0],
        w=size[1],
        h_out=out[0],
        w_out=out[1],
        kernel=size if node.mode == "global" else node.kernel,
        stride=node.stride,
        padding=node.padding,
        dilation=node.dilation,
        function=node.function,
        mode=node.mode,
    )
