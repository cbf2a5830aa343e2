"""The tensors of a graph whose ops are not all plain ones on images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import prod

from lpnet.errors import SpaceError
from lpnet.space.axis import Axis
from lpnet.space.graph import Graph, Node
from lpnet.space.slots import Tensor


@dataclass(frozen=True)
class Layout:
    """The inputs of a graph and the output of each node. `outputs` are the nodes whose outputs
    the graph returns. References to inputs are negative: -1 for the first, -2 for the second."""

    inputs: tuple[Tensor, ...]
    tensors: tuple[Tensor, ...]
    outputs: tuple[int, ...]

    def tensor(self, reference: int) -> Tensor:
        return self.tensors[reference] if reference >= 0 else self.inputs[-1 - reference]


@dataclass(frozen=True)
class View:
    """A tensor as channels on a grid of pixels; a token is a pixel."""

    channels: Axis
    h: int
    w: int


def view(tensor: Tensor, channels: int | None = None) -> View:
    """The channels are the axis with widths; else `channels`, by default the second of images and
    the last of others."""
    dims = tensor.dims
    if not dims:
        return View(Axis.constant(1), 1, 1)
    varying = [axis for axis, dim in enumerate(dims) if dim.widths]
    default = channels
    if default is None or not -len(dims) <= default < len(dims):
        default = 1 if len(dims) >= 4 else -1
    default %= len(dims)
    channel = varying[0] if varying else default
    sides = [dim.dense for axis, dim in enumerate(dims) if axis not in (channel, tensor.batch)]
    # What the batch is merged with counts for each input.
    if tensor.batch is not None and tensor.batch != channel:
        sides.insert(0, dims[tensor.batch].dense)
    # Further axes count as height; tokens do too.
    w = sides.pop() if len(sides) > 1 else 1
    return View(dims[channel], prod(sides), w)


def product(axes: Sequence[Axis]) -> Axis:
    """The number of positions on several axes, at most one of which has widths."""
    varying = [axis for axis in axes if axis.widths]
    if len(varying) > 1:
        raise SpaceError("the number of values is not affine in the widths")
    factor = 1
    for axis in axes:
        factor *= 1 if axis.widths else axis.dense
    return varying[0].repeat(factor) if varying else Axis.constant(factor)


def cut(graph: Graph, layout: Layout, start: int, stop: int) -> tuple[Graph, Layout]:
    """Nodes start to stop. Inputs are the tensors they read, outputs those that are read later."""
    outside: list[int] = []
    nodes: list[Node] = []
    for node in graph.nodes[start:stop]:
        for source in node.inputs:
            if source < start and source not in outside:
                outside.append(source)
    for node in graph.nodes[start:stop]:
        inputs = tuple(s - start if s >= start else -1 - outside.index(s) for s in node.inputs)
        nodes.append(replace(node, inputs=inputs))
    later = {source for node in graph.nodes[stop:] for source in node.inputs}
    later.update(layout.outputs)
    outputs = tuple(i - start for i in range(start, stop) if i in later) or (stop - start - 1,)
    part = Layout(
        tuple(layout.tensor(source) for source in outside),
        layout.tensors[start:stop],
        outputs,
    )
    first = view(part.inputs[0]) if part.inputs else View(Axis.constant(1), 1, 1)
    return Graph(tuple(nodes), first.channels.dense, first.h, first.w), part
