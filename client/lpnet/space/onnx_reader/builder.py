"""The normalised graph while it is being read: what every op's reader works on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

from lpnet.errors import UnsupportedOp
from lpnet.space.graph import INPUT, Node
from lpnet.space.raw import RawGraph, RawNode, Shape


@dataclass(frozen=True)
class Value:
    """A tensor: the node that makes it and its dense shape.

    `view` is the reshape that gave it a shape which only a further reshape can make sense of;
    `shared` says that others read it by another name.
    """

    index: int
    shape: Shape
    view: RawNode | None = None
    shared: bool = False


class Builder:
    """Nodes read so far, and the tensors that are known by name."""

    def __init__(self, raw: RawGraph) -> None:
        self.raw = raw
        self.nodes: list[Node] = []
        self.shapes: list[Shape] = []
        self.values = {raw.input: Value(INPUT, raw.input_shape)}
        # Sigmoids that only multiply their own input, and that input.
        self.gates: dict[str, str] = {}
        self._names = {"input"}
        self._uses = Counter(name for node in raw.nodes for name in node.inputs)
        self._uses[raw.output] += 1
        self._readers = {name: node for node in raw.nodes for name in node.inputs}

    def source(self, node: RawNode, place: int = 0) -> Value:
        """A data input of a node."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        value = self.values.get(name)
        if value is None:
            kind = "a parameter" if name in self.raw.parameters else "not a tensor of the graph"
            raise unsupported(node, f"its input {name!r} is {kind}")
        if value.view is not None:
            raise odd_view(value.view)
        return value

    def image(self, node: RawNode) -> Value:
        """The data input of a node that works on pixels."""
        value = self.source(node)
        if len(value.shape) != 4:
            raise unsupported(node, f"only two-dimensional images, not shape {[*value.shape]}")
        return value

    def parameter(self, node: RawNode, place: int) -> tuple[str, Shape]:
        """Path of the module whose `weight` feeds a node, and the weight's shape."""
        name = node.inputs[place] if place < len(node.inputs) else ""
        shape = self.raw.parameters.get(name)
        if shape is None or not (name == "weight" or name.endswith(".weight")):
            raise unsupported(node, f"its weight {name!r} is not the `weight` of a module")
        return name.removesuffix("weight").removesuffix("."), shape

    def emit(self, raw: RawNode, node: Node, shape: Shape) -> None:
        """Add a node under a name of its own, and bind the raw node's output to it."""
        name, count = node.name, 1
        while name in self._names:
            count += 1
            name = f"{node.name}#{count}"
        self._names.add(name)
        self.nodes.append(replace(node, name=name))
        self.shapes.append(shape)
        self.values[raw.outputs[0]] = Value(len(self.nodes) - 1, shape)

    def check_shape(self, raw: RawNode, shape: Shape) -> None:
        """Object if whoever wrote the graph knows another shape for a node's output."""
        known = self.raw.shapes.get(raw.outputs[0], shape)
        if known != shape:
            raise unsupported(raw, f"expected shape {[*shape]}, the graph has {[*known]}")

    def rename(self, node: RawNode, value: Value, place: int) -> None:
        """Bind a node's output to the tensor it hands through unchanged."""
        shared = value.shared or self._uses[node.inputs[place]] > 1
        self.values[node.outputs[0]] = replace(value, shared=shared)

    def alone(self, node: RawNode, value: Value) -> bool:
        """Whether a node is the only one to read its first input."""
        return self._uses[node.inputs[0]] == 1 and not value.shared

    def only_reader(self, name: str) -> RawNode | None:
        """The one node that reads a tensor, if it is one."""
        return self._readers.get(name) if self._uses[name] == 1 else None


def unsupported(node: RawNode, reason: str) -> UnsupportedOp:
    return UnsupportedOp(label(node), node.op, reason)


def odd_view(node: RawNode) -> UnsupportedOp:
    return unsupported(node, "of reshapes, only flattening to (batch, features) is known")


def label(node: RawNode) -> str:
    return node.name if node.path in ("", node.name) else f"{node.path} ({node.name})"


def pair(values: Any) -> tuple[int, int]:
    first, second = values
    return int(first), int(second)


def padding(node: RawNode) -> tuple[int, int]:
    if node.attr("auto_pad", "NOTSET") not in ("NOTSET", b"NOTSET"):
        raise unsupported(node, "padding has to be given in pixels")
    pads = tuple(int(p) for p in node.attr("pads", (0, 0, 0, 0)))
    if len(pads) != 4 or pads[:2] != pads[2:]:
        raise unsupported(node, f"padding {[*pads]} differs between sides")
    return pads[0], pads[1]
