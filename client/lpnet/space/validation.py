"""Checks of a template that comes from an untrusted file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import prod

from lpnet.space.axis import Axis, Width
from lpnet.space.blocks import Block
from lpnet.space.graph import Node
from lpnet.space.limits import (
    MAX_ALL_SEGMENTS,
    MAX_ARRAY,
    MAX_CONSTANT,
    MAX_NAME_LENGTH,
    MAX_NODES,
    MAX_SEGMENTS,
    MAX_TABLE,
    MAX_WIDTHS,
)
from lpnet.space.slots import BEFORE_START, ConstantSlot, CountSlot, Tensor, WeightSlot
from lpnet.space.template import Template

_MAX_RANK = 8
_MAX_SIDE = 10**8
_MAX_SLOTS = 512


def check(template: Template, blocks: Sequence[Block]) -> None:
    """Raises ValueError, naming the part, for a template that no graph has."""
    graph, layout = template.graph, template.layout
    assert layout is not None
    nodes = graph.nodes
    if not 1 <= len(nodes) <= MAX_NODES or len(template.widths) > MAX_WIDTHS:
        raise ValueError(f"{len(nodes)} nodes and {len(template.widths)} widths")
    if len(nodes) * len(template.widths) > MAX_TABLE:
        raise ValueError(f"{len(nodes)} ops and {len(template.widths)} widths are too many")
    if len({node.name for node in nodes}) < len(nodes):
        raise ValueError("two nodes have the same name")
    if len(layout.tensors) != len(nodes) or not 1 <= len(layout.inputs) <= 64:
        raise ValueError("the tensors do not match the nodes")
    for index, node in enumerate(nodes):
        if not all(-len(layout.inputs) <= source < index for source in node.inputs):
            raise ValueError(f"{node.name} reads a tensor that is not computed before it")
        if len(node.slots) > _MAX_SLOTS or not all(
            0 <= slot < len(node.inputs) for slot in node.slots if isinstance(slot, int)
        ):
            raise ValueError(f"{node.name} has wrong inputs")
        if not max(len(node.name), len(node.op), len(node.function)) <= MAX_NAME_LENGTH:
            raise ValueError("a name is too long")
    if not layout.outputs or not all(0 <= output < len(nodes) for output in layout.outputs):
        raise ValueError("the outputs are no nodes")
    _check_axes(template)
    check_constants(nodes)
    edges = [0, *(block.stop for block in blocks)]
    if [block.start for block in blocks] != edges[:-1] or edges[-1] != len(nodes):
        raise ValueError("the blocks do not cover the graph")


def _check_axes(template: Template) -> None:
    widths = {width.name: width for width in template.widths}
    if len(widths) < len(template.widths):
        raise ValueError("two widths have the same name")
    for width in template.widths:
        _check_width(width)
    total = 0
    for axis in _axes(template):
        total += len(axis.segments)
        if len(axis.segments) > MAX_SEGMENTS or total > 4 * MAX_ALL_SEGMENTS:
            raise ValueError("the channels of its tensors have too many segments")
        for segment in axis.segments:
            if not (0 <= segment.size <= _MAX_SIDE and 1 <= segment.inner <= _MAX_SIDE):
                raise ValueError(f"a segment of {segment.size} x {segment.inner} channels")
            if segment.width is None:
                continue
            width = widths[segment.width]
            if (segment.of or segment.size) != width.max:
                raise ValueError(f"a segment disagrees with the width {width.name}")
            if not 0 <= segment.first <= segment.first + segment.size <= width.atoms:
                raise ValueError(f"a segment is outside the width {width.name}")


def _check_width(width: Width) -> None:
    if not (1 <= width.granule <= width.max <= _MAX_SIDE and width.max % width.granule == 0):
        raise ValueError(f"{width.name} has max {width.max} and granule {width.granule}")
    channels = sum(run.count * run.inner for run in width.layout)
    inside = all(
        run.first >= 0
        and run.count >= 1
        and run.first + run.count <= width.atoms
        and run.inner >= 1
        for run in width.layout
    )
    if len(width.layout) > MAX_SEGMENTS or not inside or channels not in (0, width.max):
        raise ValueError(f"the layout of {width.name} does not match its max")


def _axes(template: Template) -> Iterator[Axis]:
    layout = template.layout
    assert layout is not None
    for tensor in (*layout.inputs, *layout.tensors):
        _check_tensor(tensor)
        yield from tensor.dims
    for node in template.graph.nodes:
        for attribute in node.counts:
            yield attribute.axis
        for slot in node.slots:
            if isinstance(slot, WeightSlot):
                yield from slot.dims
            elif isinstance(slot, CountSlot):
                yield from (axis for axis in slot.axes if axis != BEFORE_START)
    for parameter in template.tensors:
        yield from parameter.axes
    for number in template.attributes:
        yield number.axis


def _check_tensor(tensor: Tensor) -> None:
    if len(tensor.dims) > _MAX_RANK:
        raise ValueError(f"a tensor has {len(tensor.dims)} dimensions")
    if tensor.batch is not None and not 0 <= tensor.batch < len(tensor.dims):
        raise ValueError("a tensor has no such batch dimension")


def check_constants(nodes: Sequence[Node]) -> None:
    """Raises ValueError for constants that are too large, before anything expands their runs."""
    total = hashed = 0
    for node in nodes:
        for slot in node.slots:
            if not isinstance(slot, ConstantSlot):
                continue
            count = prod(slot.shape)
            if len(slot.values) > MAX_CONSTANT or min(slot.shape, default=1) < 0:
                raise ValueError(f"{node.name} has a constant of {len(slot.values)} values")
            if slot.lengths and not _match(slot, count):
                raise ValueError(f"the runs of a constant of {node.name} do not match its shape")
            total += count
            hashed += count if count <= MAX_CONSTANT else 0
    if total > 4 * MAX_ARRAY or hashed > MAX_ARRAY:
        raise ValueError(f"the constants have {total} values")


def _match(slot: ConstantSlot, count: int) -> bool:
    lengths = slot.lengths
    same = len(lengths) == len(slot.values) and min(lengths) > 0 and sum(lengths) == count
    # As texts, since no NaN equals another.
    return same and repr(ConstantSlot.of(slot.array())) == repr(slot)
