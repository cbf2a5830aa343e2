"""The priced row of each op of a graph with a layout, and the axes of its channels."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from lpnet.space.axis import Axis
from lpnet.space.einsum import terms
from lpnet.space.graph import Graph, Node
from lpnet.space.layout import Layout, View, product, view
from lpnet.space.slots import ConstantSlot, Tensor, WeightSlot
from lpnet.space.table import OpRow

_SINGLE = Axis.constant(1)
# The axis that has a scale and a shift for each position.
_NORM_CHANNELS = {"layer": -1, "rms": -1, "group": 1, "instance": 1}
_KEEPS_CHANNELS = frozenset({"activation", "add", "mul", "norm", "softmax", "batch_norm"})


@dataclass(frozen=True)
class Priced:
    """A row and the axes of its input and output channels and of its groups."""

    row: OpRow
    c_in: Axis
    c_out: Axis
    groups: Axis


def priced(graph: Graph, layout: Layout, index: int) -> Priced:
    node, out = graph.nodes[index], layout.tensors[index]
    source = layout.tensor(node.inputs[0]) if node.inputs else out
    if node.type in ("conv2d", "conv_transpose2d"):
        return _conv(node, source, out)
    if node.op == "Einsum" and node.type != "opaque":
        return _einsum(node, layout)
    if node.type == "linear" and node.slots:
        return _linear(node, out)
    if node.type == "matmul":
        return _matmul(node, source, out)
    return _other(node, source, out)


def _row(node: Node, before: tuple[int, int], after: tuple[int, int]) -> OpRow:
    return OpRow(
        name=node.name,
        type=node.type,
        inputs=node.inputs,
        h=before[0],
        w=before[1],
        h_out=after[0],
        w_out=after[1],
        kernel=before if node.mode == "global" else node.kernel,
        stride=node.stride,
        padding=None if node.slots and node.windowed else node.padding,
        dilation=node.dilation,
        function=node.function,
        mode=node.mode,
    )


def _pixels(tensor: Tensor) -> tuple[int, int]:
    # Further spatial axes count as height.
    sides = [axis.dense for axis in tensor.dims[2:]]
    if not sides:
        return 1, 1
    return (prod(sides[:-1]), sides[-1]) if len(sides) > 1 else (sides[0], 1)


def _conv(node: Node, source: Tensor, out: Tensor) -> Priced:
    c_in, c_out = source.dims[1], out.dims[1]
    depthwise = node.groups > 1 and node.groups == c_in.dense
    groups = c_in if depthwise else Axis.constant(node.groups)
    return Priced(_row(node, _pixels(source), _pixels(out)), c_in, c_out, groups)


def _linear(node: Node, out: Tensor) -> Priced:
    weight = next(slot for slot in node.slots if isinstance(slot, WeightSlot))
    c_in, c_out = weight.dims[-2], weight.dims[-1]
    outer = [axis for axis in out.dims[:-1]]
    groups = product([axis for axis in outer if axis.widths])
    tokens = prod(axis.dense for axis in outer if not axis.widths)
    return Priced(
        _row(node, (tokens, 1), (tokens, 1)),
        product([groups, c_in]),
        product([groups, c_out]),
        groups,
    )


def _matmul(node: Node, source: Tensor, out: Tensor) -> Priced:
    heads = product(out.dims[:-2])
    # A first operand that is a weight is no tensor.
    first = not node.slots or isinstance(node.slots[0], int)
    summed = source.dims[-1] if first else source.dims[-2]
    rows, columns = out.dims[-2:]
    if rows.widths:
        # The transposed product: channels are columns.
        rows, columns = columns, rows
    c_in, c_out = product([heads, summed]), product([heads, columns])
    tokens = (rows.dense, 1)
    return Priced(_row(node, tokens, tokens), c_in, c_out, heads)


def _einsum(node: Node, layout: Layout) -> Priced:
    """As a product: letters of both operands and the result are groups, letters of the second
    operand, or of the weight, are output channels."""
    plain = terms(str(dict(node.attributes)["equation"]))
    if plain is None:
        raise ValueError(f"{node.name} is not a plain product")
    letters, result = plain
    dims: dict[str, Axis] = {}
    weight = 1
    for position, (term, slot) in enumerate(zip(letters, node.slots, strict=True)):
        if isinstance(slot, WeightSlot):
            own, weight = slot.dims, position
        elif isinstance(slot, int):
            own = layout.tensor(node.inputs[slot]).dims
        elif isinstance(slot, ConstantSlot):
            own, weight = tuple(Axis.constant(side) for side in slot.shape), position
        else:
            raise ValueError(f"{node.name} lacks an operand")
        dims |= dict(zip(term, own, strict=True))
    columns = [
        a
        for a in dims
        if a in result and all((a in t) == (i == weight) for i, t in enumerate(letters))
    ]
    summed = [a for a in dims if a not in result]
    outer = [a for a in dims if a in result and a not in columns]
    rows = [a for a in outer if sum(a in term for term in letters) == 1 and not dims[a].widths]
    groups = product([dims[a] for a in outer if a not in rows])
    tokens = (prod(dims[a].dense for a in rows), 1)
    return Priced(
        _row(node, tokens, tokens),
        product([groups, *(dims[a] for a in summed)]),
        product([groups, *(dims[a] for a in columns)]),
        groups,
    )


def _other(node: Node, source: Tensor, out: Tensor) -> Priced:
    channels = _NORM_CHANNELS.get(node.function) if node.type == "norm" else None
    channels = 1 if node.type == "batch_norm" else channels
    before, after = view(source, channels), view(out, channels)
    if node.type in _KEEPS_CHANNELS or node.type in ("concat", "split"):
        size = (after.h, after.w)
        c_in = after.channels if node.type in _KEEPS_CHANNELS else before.channels
        return Priced(_row(node, size, size), c_in, after.channels, _SINGLE)
    if node.type in ("pool", "resize"):
        before, after = _spatial(source), _spatial(out)
        if node.type == "pool":
            before = View(after.channels, before.h, before.w)
    return Priced(
        _row(node, (before.h, before.w), (after.h, after.w)),
        before.channels,
        after.channels,
        _SINGLE,
    )


def _spatial(tensor: Tensor) -> View:
    if len(tensor.dims) < 3:
        return view(tensor)
    return View(tensor.dims[1], *_pixels(tensor))
