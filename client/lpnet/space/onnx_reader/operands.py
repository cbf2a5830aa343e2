"""The inputs of an op that is written as it was read."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpnet.errors import UnsupportedOp
from lpnet.space.axis import Axis
from lpnet.space.graph import Attributes, Node, Plain
from lpnet.space.limits import MAX_ARRAY, MAX_CONSTANT
from lpnet.space.onnx_reader.batching import RECURRENT
from lpnet.space.onnx_reader.builder import Builder, label
from lpnet.space.onnx_reader.draft import Draft
from lpnet.space.onnx_reader.tensors import TensorAxes
from lpnet.space.raw import RawNode
from lpnet.space.slots import BEFORE_START, ConstantSlot, CountSlot, Slot, Tensor, WeightSlot
from lpnet.space.solver.rules.pointwise import OPS

Array = NDArray[Any]
# Larger arrays, and arrays with widths, are weights.
_MAX_INLINE = 4096
_ROLES = {
    (op, position): role
    for op in ("Conv", "ConvTranspose", "MatMul", "Gemm", "BatchNormalization")
    for position, role in enumerate(("weight", "bias"), 1)
} | {("BatchNormalization", 3): "running_mean", ("BatchNormalization", 4): "running_var"}
# Values of weights that are not random: a bias is 0, a scale or a variance is 1.
_RANDOM = frozenset({("Conv", 1), ("ConvTranspose", 1), ("MatMul", 1), ("Gemm", 1), ("Gather", 0)})
_ZERO = frozenset({"Add", "Sub", "Sum", "Concat", "Expand", "Where"})
# Inputs of a recurrent layer that hold a state for each input of the batch.
STATES = (5, 6)
# Axes of operands and output correspond.
_POSITIONAL = frozenset({*OPS, *RECURRENT, "Concat", "MatMul"})
_NORM_VALUES = {1: 1.0, 2: 0.0, 3: 0.0, 4: 1.0}


class Operands:
    """Makes slots of the inputs of a node, and adds nodes to the graph."""

    def __init__(self, builder: Builder, axes: TensorAxes, node: RawNode) -> None:
        self.builder, self.axes, self.node = builder, axes, node
        self.raw = builder.raw

    def draft(self, type_: str, *, function: str = "", op: str = "", module: str = "") -> Draft:
        node = self.node
        name = module or node.path or node.name
        return Draft(name, type_, op or node.op, node.domain, function, module, node.fixed)

    def add(self, node: Node, output: str = "") -> None:
        output = output or self.node.outputs[0]
        self.builder.emit(self.node, node, self.raw.shape(output), output)

    def slots(self, draft: Draft) -> list[Slot]:
        return [self.slot(draft, position) for position in range(len(self.node.inputs))]

    def slot(self, draft: Draft, position: int) -> Slot:
        name = self.node.inputs[position]
        if not name:
            return None
        if not self.axes.is_static(name):
            return draft.reference(self.tensor(name))
        value = self.value(name)
        dims, repeated = self.axes.dims(name), self._batch_axis(name, position)
        if repeated is not None:
            # What was expanded to the batch is the same for each input.
            dims = tuple(Axis.constant(1) if i == repeated else d for i, d in enumerate(dims))
            value = None if value is None else value.take([0], axis=repeated)
        if self.node.op == "Conv" and position == 2:
            # torch's exporter writes the missing bias of a 3-D conv with a second axis.
            dims = dims[:1]
            value = None if value is None else value.reshape(len(value), -1)[:, 0]
        if value is not None and self.node.op in OPS and value.size > _MAX_INLINE:
            value = _unrepeated(value) if _is_integer(value) else value
        if value is not None and _is_inline(value, dims):
            return self._constant(value)
        groups, role = 1, _ROLES.get((self.node.op, position), f"operand{position}")
        if self.node.op == "Conv" and position == 1 and not self.is_depthwise():
            groups = int(self.node.attr("group", 1))
            # Each group reads its part of these channels.
            dims = (dims[0], self.axes.dims(self.node.inputs[0])[1], *dims[2:])
        return WeightSlot(role, dims, groups, self._fill(position, value))

    def value(self, name: str) -> Array | None:
        """A constant. One that was expanded is a view, as folding it would take much memory."""
        value = self.raw.constants.get(name)
        if value is not None:
            return value
        node = next((node for node in self.raw.nodes if name in node.outputs), None)
        if node is None or node.op != "Expand" or node.inputs[0] not in self.raw.constants:
            return None
        return np.broadcast_to(self.raw.constants[node.inputs[0]], self.raw.shape(name))

    def full(self, draft: Draft, position: int, slot: Slot) -> Slot:
        """An operand that does not broadcast: a constant is repeated for each input."""
        name = self.node.inputs[position]
        value = None if isinstance(slot, int) else self.value(name)
        if value is None:
            return slot
        small, dims = _unrepeated(value), self.axes.dims(name)
        batch = self.axes.batch(self.node.outputs[0])
        if batch is not None and (small.shape[batch] > 1 or value.shape[batch] != self.raw.batch):
            batch = None
        if any(dim.widths and side > 1 for dim, side in zip(dims, small.shape, strict=True)):
            return slot
        if small.size > _MAX_INLINE and not _is_integer(small):
            return slot
        return self.expanded(draft, name, self._constant(small), batch, _type(value))

    def expanded(
        self, draft: Draft, name: str, slot: Slot, batch: int | None, type_: str = "float"
    ) -> int:
        """Add an op that repeats a constant along its axis `batch`, and its reference."""
        expand = self.draft("move", function="expand", op="Expand")
        tensor = Tensor(self.axes.single(name, batch), batch, type_)
        node = expand.finish([slot, CountSlot(tensor.dims, batch)])
        self.builder.emit(self.node, node, self.raw.shape(name), name, tensor)
        return draft.reference(self.builder.values[name].index)

    def _batch_axis(self, name: str, position: int) -> int | None:
        """The axis along which a weight was expanded to the batch size; None without one."""
        batch, shape = self.axes.batch(self.node.outputs[0]), self.raw.shape(name)
        if batch is None or self.raw.batch == 1 or self.node.op not in _POSITIONAL:
            return None
        # The last two axes of a product are those of matrices.
        rank = len(shape) - 2 if self.node.op == "MatMul" else len(shape)
        if self.node.op in RECURRENT:
            return 1 if position in STATES and shape[1] == self.raw.batch else None
        axis = batch - len(self.raw.shape(self.node.outputs[0])) + len(shape)
        return axis if 0 <= axis < rank and shape[axis] == self.raw.batch else None

    def tensor(self, name: str) -> int:
        """The index of a tensor; a reshape that was only recorded is added first."""
        value = self.builder.values.get(name)
        if value is None:
            raise UnsupportedOp(label(self.node), self.node.op, f"nothing computes {name!r}")
        if value.view is not None:
            draft = Draft(value.view.path or value.view.name, "move", "Reshape")
            draft.function = "reshape"
            slot = draft.reference(value.index)
            node = draft.finish([slot, self.axes.count_slot(name)])
            self.builder.emit(value.view, node, self.raw.shape(name), name)
        return self.builder.values[name].index

    def is_depthwise(self) -> bool:
        """True for a conv whose groups are its input channels."""
        groups = int(self.node.attr("group", 1))
        return 1 < groups == self.axes.dims(self.node.inputs[0])[1].dense

    def layer(self, name: str) -> str:
        return self.axes.solution.layer(name)

    def _constant(self, value: Array) -> ConstantSlot:
        """Raises UnsupportedOp for an array that no space file can hold."""
        slot = ConstantSlot.of(np.asarray(value))
        if len(slot.values) > MAX_CONSTANT or value.size > MAX_ARRAY:
            reason = f"it reads a constant of {value.size} values, too many for a space"
            raise UnsupportedOp(label(self.node), self.node.op, reason)
        return slot

    def _fill(self, position: int, value: Any) -> float | None:
        if value is not None and bool((value == value.flat[0]).all()):
            return float(value.flat[0])
        op = self.node.op
        if (op, position) in _RANDOM:
            return None
        if op.endswith("Normalization"):
            return _NORM_VALUES.get(position, 0.0)
        if _ROLES.get((op, position)) == "bias" or op in _ZERO:
            return 0.0
        return 1.0


def _is_inline(value: Any, dims: tuple[Axis, ...]) -> bool:
    if _is_integer(value):
        return True
    finite = bool(np.isfinite(value).all())
    return not any(axis.widths for axis in dims) and (value.size <= _MAX_INLINE or not finite)


def _is_integer(value: Array) -> bool:
    return not np.issubdtype(value.dtype, np.floating)


def _type(value: Array) -> str:
    return "float" if value.dtype == np.float32 else str(value.dtype)


def _unrepeated(value: Array) -> Array:
    """The first position along each axis on which all positions are equal."""
    for axis in range(value.ndim):
        first = value.take([0], axis=axis)
        if value.strides[axis] == 0 or bool((value == first).all()):
            value = first
    return value


def bounds(axes: TensorAxes, name: str, cuts: list[tuple[int, int, int, int]]) -> tuple[Slot, ...]:
    """Starts, ends, axes and steps of a slice, from (axis, start, stop, step) of each."""
    starts, stops = [], []
    for axis, start, stop, step in cuts:
        if step < 0:
            # Such an axis has no widths.
            starts.append(Axis.constant(start))
            stops.append(Axis.constant(stop) if stop >= 0 else BEFORE_START)
        else:
            starts.append(axes.prefix(name, axis, start))
            stops.append(axes.prefix(name, axis, stop))
    count = (len(cuts),)
    return (
        CountSlot(tuple(starts)),
        CountSlot(tuple(stops)),
        ConstantSlot("int64", count, tuple(axis for axis, *_ in cuts)),
        ConstantSlot("int64", count, tuple(step for *_, step in cuts)),
    )


def attributes(node: RawNode) -> Attributes:
    """Raises UnsupportedOp for a node that holds a graph or a tensor."""
    if node.captured:
        raise UnsupportedOp(label(node), node.op, "it holds a graph of its own")
    result: list[tuple[str, Plain | tuple[Plain, ...]]] = []
    for name, value in sorted(node.attributes.items()):
        plain = _plain(value)
        if plain is None:
            raise UnsupportedOp(label(node), node.op, f"its attribute {name!r} is not a number")
        result.append((name, plain))
    return tuple(result)


def _plain(value: Any) -> Plain | tuple[Plain, ...] | None:
    if isinstance(value, bytes):
        return value.decode()
    if isinstance(value, float):
        return float(np.float32(value))
    if isinstance(value, int | str):
        return value
    if isinstance(value, list | tuple):
        items = [_plain(item) for item in value]
        if all(isinstance(item, int | float | str) for item in items):
            return tuple(items)  # type: ignore[arg-type]
    return None
