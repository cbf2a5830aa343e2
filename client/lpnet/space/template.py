"""A template: the normalised graph with widths along its channel axes, and its op table."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpnet.errors import SpaceError
from lpnet.space import resizing
from lpnet.space.attributes import Attribute
from lpnet.space.axis import Axis, Width
from lpnet.space.graph import INPUT, Graph, Node, axis_of, propagate
from lpnet.space.layout import Layout, cut, view
from lpnet.space.limits import MAX_CONSTANT
from lpnet.space.parameters import Parameter
from lpnet.space.rows import priced
from lpnet.space.slots import ConstantSlot, Tensor
from lpnet.space.table import OpRow, OpTable


@dataclass(frozen=True)
class Template:
    """`axes` are the channels of each node's output, `input` those of the graph's input.

    A graph with ops that are no plain ones on images has a `layout`, which holds all tensors.
    `tensors` are the parameters of the model that have channels of widths, and `attributes` the
    numbers that its modules keep and that count channels, as far as a forward pass needs them.
    """

    graph: Graph
    widths: tuple[Width, ...]
    input: Axis
    axes: tuple[Axis, ...]
    layout: Layout | None = None
    tensors: tuple[Parameter, ...] = ()
    attributes: tuple[Attribute, ...] = ()

    @classmethod
    def general(
        cls,
        graph: Graph,
        widths: tuple[Width, ...],
        layout: Layout,
        tensors: tuple[Parameter, ...] = (),
        attributes: tuple[Attribute, ...] = (),
    ) -> Template:
        axes = tuple(
            _channels(node, tensor)
            for node, tensor in zip(graph.nodes, layout.tensors, strict=True)
        )
        source = _image_channels(layout.inputs[0]) if layout.inputs else Axis.constant(1)
        return cls(graph, widths, source, axes, layout, tensors, attributes)

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
        """The channels that a node reads first."""
        if self.layout is not None:
            return _image_channels(self.layout.tensor(self.graph.nodes[index].inputs[0]))
        return axis_of(self.graph.nodes[index].inputs[0], self.input, self.axes)

    def depthwise(self, index: int) -> bool:
        return self.graph.depthwise(index, self.axis_in(index))

    @property
    def keeps_batch(self) -> bool:
        """True if it cannot be told where the batch size goes in each tensor."""
        layout = self.layout
        return layout is not None and any(tensor.batch is None for tensor in layout.tensors)

    @property
    def inputs(self) -> tuple[tuple[tuple[int, ...], str], ...]:
        """Shape, for a single input, and element type of each input of the network."""
        if self.layout is not None:
            return tuple(
                (tuple(axis.dense for axis in t.dims), t.type) for t in self.layout.inputs
            )
        pixels = () if self.graph.flat else (self.graph.h, self.graph.w)
        return (((1, self.graph.c, *pixels), "float"),)

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        """The parameters of the model that have channels of widths."""
        if self.layout is not None:
            return self.tensors
        return tuple(
            parameter
            for index, node in enumerate(self.graph.nodes)
            for parameter in _parameters(
                node, self.axis_in(index), self.axes[index], self.depthwise(index)
            )
        )

    def slice(self, start: int, stop: int) -> Template:
        """Only the widths in these nodes remain."""
        if self.layout is not None:
            graph, layout = cut(self.graph, self.layout, start, stop)
            used = {w for t in (*layout.inputs, *layout.tensors) for d in t.dims for w in d.widths}
            used |= {w for node in graph.nodes for w in node.widths}
            widths = tuple(width for width in self.widths if width.name in used)
            return Template.general(graph, widths, layout)
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
        if self.layout is not None:
            return resizing.resized(self, h, w)
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
        names = [width.name for width in self.widths]
        if self.layout is not None:
            ops = [priced(self.graph, self.layout, i) for i in range(len(self.graph.nodes))]
            a_in, b_in = _affine([op.c_in for op in ops], names)
            a_out, b_out = _affine([op.c_out for op in ops], names)
            a_g, b_g = _affine([op.groups for op in ops], names)
            rows = tuple(op.row for op in ops)
            return OpTable(rows, a_in, b_in, a_out, b_out, a_g, b_g)
        graph, sizes = self.graph, self.graph.sizes()
        rows = tuple(
            _row(node, graph.size_of(node.inputs[0], sizes), sizes[i])
            for i, node in enumerate(graph.nodes)
        )
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
            "nodes": [lean(node) for node in self.graph.nodes],
            "input": [self.input.label(), self.graph.h, self.graph.w, self.graph.flat],
            "axes": [[lean(s) for s in axis.segments] for axis in self.axes],
            "widths": [lean(width) for width in self.widths],
            "blocks": blocks,
        }
        if self.layout is not None:
            content["layout"] = lean(self.layout)
            content["tensors"] = [lean(tensor) for tensor in self.tensors]
        text = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


# Fields that came later. They are left out where they have their defaults, so that the hashes of
# spaces which need none of them stay as they were.
_LATER = frozenset(
    {"op", "domain", "slots", "counts", "layout", "first", "of", "fixed", "lengths"}
)


def lean(value: Any) -> Any:
    """A dataclass as plain JSON values, without later fields that have their defaults."""
    if isinstance(value, ConstantSlot) and value.lengths and prod(value.shape) <= MAX_CONSTANT:
        # As it was hashed before there were runs.
        value = value.expanded()
    if is_dataclass(value):
        return {
            f.name: lean(getattr(value, f.name))
            for f in fields(value)
            if f.name not in _LATER or getattr(value, f.name)
        }
    return [lean(item) for item in value] if isinstance(value, tuple | list) else value


def _channels(node: Node, tensor: Tensor) -> Axis:
    return view(tensor).channels if node.slots else _image_channels(tensor)


def _image_channels(tensor: Tensor) -> Axis:
    return tensor.dims[1] if len(tensor.dims) in (2, 4, 5) else view(tensor).channels


def _parameters(node: Node, c_in: Axis, c_out: Axis, depthwise: bool) -> Iterator[Parameter]:
    prefix = f"{node.module}." if node.module else ""
    single = Axis.constant(1)
    if node.type == "conv2d":
        sides = tuple(Axis.constant(side) for side in node.kernel)
        if depthwise or node.groups == 1:
            yield Parameter(f"{prefix}weight", (c_out, single if depthwise else c_in, *sides))
        else:
            part = Axis.constant(c_in.dense // node.groups)
            yield Parameter(f"{prefix}weight", (c_out, part, *sides), node.groups, c_in)
    elif node.type == "linear":
        yield Parameter(f"{prefix}weight", (c_out, c_in))
    if node.weighted:
        yield Parameter(f"{prefix}bias", (c_out,))
    for norm in [node.module] if node.type == "batch_norm" else node.norms:
        start = f"{norm}." if norm else ""
        for role in ("weight", "bias", "running_mean", "running_var"):
            yield Parameter(f"{start}{role}", (c_out,))


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
