"""The normalised graph of a network: a node per timed op, with BatchNorm folded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

from lpnet.errors import SpaceError
from lpnet.schemas.ops import positions, window_span
from lpnet.space.axis import Axis
from lpnet.space.slots import CountAttribute, CountSlot, Slot, WeightSlot

INPUT = -1
Plain = float | int | str
Attributes = tuple[tuple[str, Plain | tuple[Plain, ...]], ...]


@dataclass(frozen=True)
class Node:
    """An op. `inputs` are node indices, or INPUT for the graph's input.

    `c_out` is the dense channel count of a conv or linear; it is 0 for other ops, which keep the
    channels of their input. `module` is the path of the torch module that holds the weights, and
    `norms` are the paths of the BatchNorms folded into it. `attributes` are further ONNX ones.

    A node with an `op` is written as that ONNX op, with these `slots` as inputs and with `counts`
    as attributes that depend on the widths. A `fixed` one is right at a single resolution only.
    """

    name: str
    type: str
    inputs: tuple[int, ...]
    c_out: int = 0
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1
    function: str = ""
    mode: str = ""
    attributes: Attributes = ()
    module: str = ""
    norms: tuple[str, ...] = ()
    op: str = ""
    domain: str = ""
    slots: tuple[Slot, ...] = ()
    counts: tuple[CountAttribute, ...] = ()
    fixed: bool = False

    @property
    def weighted(self) -> bool:
        return self.type in ("conv2d", "conv_transpose2d", "linear")

    @property
    def widths(self) -> frozenset[str]:
        """Widths among the dimensions of its weights, and in its numbers."""
        axes = [attribute.axis for attribute in self.counts]
        for slot in self.slots:
            if isinstance(slot, WeightSlot):
                axes += slot.dims
            elif isinstance(slot, CountSlot):
                axes += slot.axes
        return frozenset(name for axis in axes for name in axis.widths)

    @property
    def windowed(self) -> bool:
        return self.type == "conv2d" or (self.type == "pool" and self.mode != "global")


@dataclass(frozen=True)
class Graph:
    """Nodes in execution order; the last is the output.

    `c, h, w` is the shape of the dense input. A `flat` input is (batch, features).
    """

    nodes: tuple[Node, ...]
    c: int
    h: int
    w: int
    flat: bool = False

    def sizes(self) -> tuple[tuple[int, int], ...]:
        """(height, width) for each output. Raises SpaceError if one has no pixels."""
        return self._sizes

    @cached_property
    def _sizes(self) -> tuple[tuple[int, int], ...]:
        sizes: list[tuple[int, int]] = []
        for node in self.nodes:
            sizes.append(output_size(node, self.size_of(node.inputs[0], sizes)))
        return tuple(sizes)

    def size_of(
        self, index: int, sizes: list[tuple[int, int]] | tuple[tuple[int, int], ...]
    ) -> tuple[int, int]:
        return (self.h, self.w) if index == INPUT else sizes[index]

    def flats(self) -> tuple[bool, ...]:
        """True for each node whose output is (batch, features)."""
        return self._flats

    @cached_property
    def _flats(self) -> tuple[bool, ...]:
        flats: list[bool] = []
        for node in self.nodes:
            before = self.flat if node.inputs[0] == INPUT else flats[node.inputs[0]]
            flats.append(before or node.type == "flatten")
        return tuple(flats)

    def depthwise(self, index: int, c_in: Axis) -> bool:
        """True if each group of a conv has a single input channel, which ties output to input."""
        node = self.nodes[index]
        return node.type == "conv2d" and node.groups > 1 and node.groups == c_in.dense

    def slice(self, start: int, stop: int) -> tuple[Node, ...]:
        """The outputs of earlier nodes become the input."""
        return tuple(
            replace(node, inputs=tuple(i - start if i >= start else INPUT for i in node.inputs))
            for node in self.nodes[start:stop]
        )


def output_size(node: Node, size: tuple[int, int]) -> tuple[int, int]:
    if node.type == "flatten" or node.mode == "global":
        return 1, 1
    if not node.windowed:
        return size
    ceil = bool(dict(node.attributes).get("ceil_mode", 0))
    out = []
    for axis, side in enumerate(size):
        window = window_span(node.kernel[axis], node.dilation[axis])
        count = positions(side, window, node.stride[axis], node.padding[axis], ceil=ceil)
        if count < 1:
            raise SpaceError(f"{node.name}: an input of {size[0]}x{size[1]} pixels is too small")
        out.append(count)
    return out[0], out[1]


def propagate(
    graph: Graph,
    source: Axis,
    own: Callable[[int], Axis],
    meet: Callable[[int, Axis, Axis], None],
) -> tuple[Axis, ...]:
    """The channel axis of each node's output.

    `own` returns the axis of a conv or linear, but is not called for a depthwise conv, which
    follows its input. `meet` is called with two axes that are added; it raises if they differ.
    """
    sizes = graph.sizes()
    axes: list[Axis] = []
    for index, node in enumerate(graph.nodes):
        c_in = axis_of(node.inputs[0], source, axes)
        if graph.depthwise(index, c_in):
            axes.append(c_in.repeat(node.c_out // node.groups))
        elif node.weighted:
            axes.append(own(index))
        elif node.type == "flatten":
            h, w = graph.size_of(node.inputs[0], sizes)
            axes.append(c_in.repeat(h * w))
        else:
            if node.type == "add":
                meet(index, c_in, axis_of(node.inputs[1], source, axes))
            axes.append(c_in)
    return tuple(axes)


def axis_of(index: int, source: Axis, axes: list[Axis] | tuple[Axis, ...]) -> Axis:
    return source if index == INPUT else axes[index]
