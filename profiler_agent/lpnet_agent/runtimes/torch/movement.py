"""ONNX ops that copy values to other positions."""

from __future__ import annotations

import operator
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, fx, nn
from torch.nn import functional

from lpnet_agent.runtimes.torch.op import Op

_PAD_MODES = {"constant": "constant", "reflect": "reflect", "edge": "replicate"}


def depth_to_space(x: Tensor, side: int) -> Tensor:
    """Blocks of pixels from channels, where the channels of a pixel are neighbours."""
    b, c, h, w = x.shape
    parts = x.reshape(b, side, side, c // side**2, h, w).permute(0, 3, 4, 1, 5, 2)
    return parts.reshape(b, c // side**2, h * side, w * side)


def space_to_depth(x: Tensor, side: int) -> Tensor:
    b, c, h, w = x.shape
    parts = x.reshape(b, c, h // side, side, w // side, side).permute(0, 3, 5, 1, 2, 4)
    return parts.reshape(b, c * side**2, h // side, w // side)


def _reshape(op: Op) -> fx.Node:
    for name in ("allowzero", "axis", "axes"):
        op.attribute(name, None)  # the shape of the output holds them
    return op.call(torch.reshape, op.tensor(), op.output_shape())


def _transpose(op: Op) -> fx.Node:
    order = op.attribute("perm", None) or tuple(reversed(range(len(op.input_shape()))))
    return op.call(torch.permute, op.tensor(), tuple(order))


def _concat(op: Op) -> fx.Node:
    axis = op.axis(op.attribute("axis", 0), len(op.output_shape()))
    return op.call(torch.cat, op.tensors(), axis)


def _split(op: Op) -> list[fx.Node]:
    for name in ("split", "num_outputs"):
        op.attribute(name, None)  # the shapes of the outputs hold them
    axis = op.axis(op.attribute("axis", 0))
    sides = [op.output_shape(index)[axis] for index in range(len(op.node.outputs))]
    parts = op.call(torch.split, op.tensor(), sides, axis)
    return [op.call(operator.getitem, parts, index) for index in range(len(sides))]


def _slice(op: Op) -> fx.Node:
    shape = op.input_shape()
    starts, stops = op.integers(1), op.integers(2)
    if starts is None or stops is None:
        raise op.unsupported("its bounds are attributes")
    axes = op.integers(3) or tuple(range(len(starts)))
    steps = op.integers(4) or (1,) * len(starts)
    cuts, flipped = [slice(None)] * len(shape), []
    for axis, start, stop, step in zip(map(op.axis, axes), starts, stops, steps, strict=True):
        positions = _positions(start, stop, step, shape[axis])
        if step < 0:
            flipped.append(axis)
            positions = positions[::-1]
        # An empty range has no last position.
        last = positions[-1] + 1 if positions else 0
        cuts[axis] = slice(positions[0] if positions else 0, last, abs(step))
    value = op.call(operator.getitem, op.tensor(), tuple(cuts))
    return op.call(torch.flip, value, flipped) if flipped else value


def _positions(start: int, stop: int, step: int, size: int) -> range:
    """Bounds beyond the ends are cut, as in Python. A negative step may end at -size - 1."""
    if step < 0 and stop < -size:
        return range(min(start + size if start < 0 else start, size - 1), -1, step)
    return range(size)[start:stop:step]


def _gather(op: Op) -> fx.Node:
    axis = op.axis(op.attribute("axis", 0))
    if op.is_constant(0) and op.type(0) == "float32" and axis == 0 and not op.is_constant(1):
        table = op.weight(0)
        if table.dim() == 2:
            return op.call(functional.embedding, op.tensor(1), op.tensor(0))
    if not op.is_constant(1):
        flat = op.call(torch.reshape, op.tensor(1), (-1,))
    else:
        indices = op.constant(1)
        indices = np.where(indices < 0, indices + op.input_shape()[axis], indices)
        if indices.ndim == 0:
            return op.call(torch.select, op.tensor(), axis, int(indices))
        flat = op.buffer(indices.reshape(-1))
    value = op.call(torch.index_select, op.tensor(), axis, flat)
    if len(op.input_shape(1)) == 1:
        return value
    return op.call(torch.reshape, value, op.output_shape())


def _gather_elements(op: Op) -> fx.Node:
    axis = op.axis(op.attribute("axis", 0))
    return op.call(torch.gather, op.tensor(0), axis, op.tensor(1))


def _expand(op: Op) -> fx.Node:
    return op.call(torch.Tensor.expand, op.tensor(), op.output_shape())


def _tile(op: Op) -> fx.Node:
    return op.call(torch.tile, op.tensor(), op.integers(1))


def _pad(op: Op) -> fx.Node:
    rank, mode = len(op.input_shape()), op.attribute("mode", "constant")
    pads = op.integers(1)
    if pads is None or mode not in _PAD_MODES:
        raise op.unsupported("its pads are an attribute" if pads is None else f"mode {mode!r}")
    axes = [op.axis(axis) for axis in op.integers(3) or range(rank)]
    sides = [(0, 0)] * rank
    for position, axis in enumerate(axes):
        sides[axis] = pads[position], pads[position + len(axes)]
    while len(sides) > 1 and sides[0] == (0, 0):
        del sides[0]
    flat = [pad for pair in reversed(sides) for pad in pair]
    if mode != "constant":
        if min(flat) < 0 or len(sides) not in (rank - 1, rank - 2):
            raise op.unsupported(f"pads {flat} with mode {mode!r}")
        return op.call(functional.pad, op.tensor(), flat, _PAD_MODES[mode])
    fill = op.optional_constant(2)
    return op.call(functional.pad, op.tensor(), flat, value=0 if fill is None else fill.item())


def _depth_to_space(op: Op) -> fx.Node:
    side, mode = int(op.required("blocksize")), op.attribute("mode", "DCR")
    if mode == "CRD":
        return op.layer(nn.PixelShuffle(side))
    return op.call(depth_to_space, op.tensor(), side)


def _space_to_depth(op: Op) -> fx.Node:
    return op.call(space_to_depth, op.tensor(), int(op.required("blocksize")))


def _trilu(op: Op) -> fx.Node:
    diagonal = (op.integers(1) or (0,))[0]
    function = torch.triu if op.attribute("upper", 1) else torch.tril
    return op.call(function, op.tensor(), diagonal)


def _cumsum(op: Op) -> fx.Node:
    op.check_type("float32", "int64")
    for name in ("exclusive", "reverse"):
        op.refuse_unless(name, 0)
    return op.call(torch.cumsum, op.tensor(), op.axis((op.integers(1) or (0,))[0]))


FUNCTIONS: dict[str, Callable[[Op], fx.Node | list[fx.Node]]] = {
    "Concat": _concat,
    "CumSum": _cumsum,
    "DepthToSpace": _depth_to_space,
    "Expand": _expand,
    "Flatten": _reshape,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Pad": _pad,
    "Reshape": _reshape,
    "Slice": _slice,
    "SpaceToDepth": _space_to_depth,
    "Split": _split,
    "Squeeze": _reshape,
    "Tile": _tile,
    "Transpose": _transpose,
    "Trilu": _trilu,
    "Unsqueeze": _reshape,
}
