"""The normalised graph under construction, which the readers of ops extend."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from lpnet.errors import UnsupportedOp
from lpnet.space.axis import Axis
from lpnet.space.graph import INPUT, Node
from lpnet.space.onnx_reader.tensors import TensorAxes
from lpnet.space.raw import RawGraph, RawNode, Shape
from lpnet.space.slots import Slot, Tensor, WeightSlot


@dataclass(frozen=True)
class Value:
    """A tensor: the node that computes it, and its dense shape.

    `view` is a reshape to a shape that only another reshape may read. `shared` means that the
    tensor is also read under another name.
    """

    index: int
    shape: Shape
    view: RawNode | None = None
    shared: bool = False


class Builder:
    """The nodes read so far, and the tensors by name.

    With the `axes` of all tensors every op can be read, else only plain ones on images.
    """

    def __init__(self, raw: RawGraph, axes: TensorAxes | None = None) -> None:
        self.raw = raw
        self.axes = axes
        self.nodes: list[Node] = []
        self.shapes: list[Shape] = []
        self.tensors: list[Tensor] = []
        self.values = {
            name: Value(INPUT - position, shape)
            for position, (name, shape) in enumerate(raw.inputs.items())
        }
        # Sigmoids that only multiply their own input, by output name, with the name of the input.
        self.gates: dict[str, str] = {}
        self._names = {"input"}
        self._uses = Counter(name for node in raw.nodes for name in node.inputs)
        self._uses.update(raw.outputs)
        self._readers = {name: node for node in raw.nodes for name in node.inputs}

    def source(self, node: RawNode, position: int = 0) -> Value:
        name = node.inputs[position] if position < len(node.inputs) else ""
        value = self.values.get(name)
        if value is None:
            kind = "a parameter" if name in self.raw.parameters else "not a tensor of the graph"
            raise unsupported(node, f"its input {name!r} is {kind}")
        if value.view is not None:
            raise unsupported_reshape(value.view)
        return value

    def image(self, node: RawNode) -> Value:
        value = self.source(node)
        if len(value.shape) != 4:
            raise unsupported(node, f"its input must be images, got shape {[*value.shape]}")
        return value

    def parameter(self, node: RawNode, position: int) -> tuple[str, Shape]:
        """The path of the module whose `weight` a node reads, and the weight's shape."""
        name = node.inputs[position] if position < len(node.inputs) else ""
        shape = self.raw.parameters.get(name)
        if shape is None or not (name == "weight" or name.endswith(".weight")):
            raise unsupported(node, f"its weight {name!r} is not the `weight` of a module")
        own = name.removesuffix("weight").removesuffix(".")
        return self.raw.modules.get(name, own), shape

    def emit(
        self,
        raw: RawNode,
        node: Node,
        shape: Shape,
        output: str = "",
        tensor: Tensor | None = None,
    ) -> None:
        """Add a node under a unique name, and bind an output of the raw node, the first by
        default, to it. `tensor` replaces that of the solution."""
        output = output or raw.outputs[0]
        name, count = node.name, 1
        while name in self._names:
            count += 1
            name = f"{node.name}#{count}"
        self._names.add(name)
        self.nodes.append(replace(node, name=name))
        self.shapes.append(shape)
        if self.axes is not None:
            self.tensors.append(tensor or self._tensor(output, len(shape)))
        self.values[output] = Value(len(self.nodes) - 1, shape)

    def _tensor(self, name: str, rank: int) -> Tensor:
        assert self.axes is not None
        tensor = self.axes.tensor(name)
        missing = rank - len(tensor.dims)
        # A mean over pixels is a pool and then a flatten: the pool keeps the axes.
        return replace(tensor, dims=tensor.dims + (Axis.constant(1),) * missing)

    def extend(self, index: int, slot: Slot) -> None:
        """Add an input to a node that is written as it was read."""
        node = self.nodes[index]
        self.nodes[index] = replace(node, slots=(*node.slots, slot))

    def fold_bias(self, index: int) -> None:
        """A layer with a folded norm has a bias."""
        node = self.nodes[index]
        if not node.slots or node.slots[2:3] not in ((), (None,)):
            return
        dims = self.tensors[index].dims
        axis = dims[-1] if node.type == "linear" else dims[1]
        self.nodes[index] = replace(node, slots=node.slots[:2])
        self.extend(index, WeightSlot("bias", (axis,), value=0.0))

    def check_shape(self, raw: RawNode, shape: Shape) -> None:
        """Raises UnsupportedOp if the graph records another shape for a node's output."""
        recorded = self.raw.shapes.get(raw.outputs[0], shape)
        if recorded != shape:
            raise unsupported(raw, f"expected shape {[*shape]}, the graph has {[*recorded]}")

    def rename(self, node: RawNode, value: Value, position: int) -> None:
        """Bind a node's output to a tensor that it passes on unchanged."""
        shared = value.shared or self._uses[node.inputs[position]] > 1
        self.values[node.outputs[0]] = replace(value, shared=shared)

    def is_only_reader(self, node: RawNode, value: Value) -> bool:
        return self._uses[node.inputs[0]] == 1 and not value.shared

    def only_reader(self, name: str) -> RawNode | None:
        """None if several nodes, or none, read the tensor."""
        return self._readers.get(name) if self._uses[name] == 1 else None

    def is_used(self, name: str) -> bool:
        return self._uses[name] > 0


def unsupported(node: RawNode, reason: str) -> UnsupportedOp:
    return UnsupportedOp(label(node), node.op, reason)


def unsupported_reshape(node: RawNode) -> UnsupportedOp:
    return unsupported(node, "the only supported reshape is a flatten to (batch, features)")


def label(node: RawNode) -> str:
    return node.name if node.path in ("", node.name) else f"{node.path} ({node.name})"


def pair(values: Any) -> tuple[int, int]:
    first, second = values
    return int(first), int(second)


def padding(node: RawNode) -> tuple[int, int]:
    if node.attr("auto_pad", "NOTSET") not in ("NOTSET", b"NOTSET"):
        raise unsupported(node, "padding must be explicit, not auto_pad")
    pads = tuple(int(p) for p in node.attr("pads", (0, 0, 0, 0)))
    if len(pads) != 4 or pads[:2] != pads[2:]:
        raise unsupported(node, f"padding {[*pads]} must be the same on opposite sides")
    return pads[0], pads[1]
