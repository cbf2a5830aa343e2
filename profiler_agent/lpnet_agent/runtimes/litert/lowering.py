"""A network while it is being written: which tensors are there, and what the next op needs.

Tensors of four dimensions lie as (batch, height, width, channels) in the file, all others as in
ONNX.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import Array
from lpnet_agent.runtimes.graph import Network, Node
from lpnet_agent.runtimes.litert.file import File

Shape = tuple[int, ...]
Code = schema.BuiltinOperator
TO_LAST = (0, 2, 3, 1)
TO_FIRST = (0, 3, 1, 2)


class Lowering:
    """Emits the ops of one network, in its order."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._file = File()
        self._tensors: dict[str, int] = {}
        self._readers: dict[str, list[Node]] = {}
        for node in network.nodes:
            for name in dict.fromkeys(node.inputs):
                self._readers.setdefault(name, []).append(node)
        self._ends = {each.name for each in network.outputs}
        self._taken: set[str] = set()
        # What a flatten made of (channels, height, width) and left in the order of its memory.
        self._flat: dict[str, Shape] = {}
        for each in network.inputs:
            self._tensors[each.name] = self._file.tensor(each.name, laid(each.shape))

    def finish(self) -> bytes:
        """The file."""
        network = self._network
        return self._file.finish(
            [self._tensors[each.name] for each in network.inputs],
            [self._tensors[each.name] for each in network.outputs],
        )

    def shape(self, node: Node, name: str) -> Shape:
        """The ONNX shape of what a node reads or makes, of 2 or 4 dimensions."""
        shape = self._network.shapes.get(name, (-1,))
        if min(shape, default=1) < 1:
            raise unsupported(node, f"the shape of {name!r} is not known: {shape}")
        if len(shape) not in (2, 4):
            raise unsupported(
                node,
                f"{name!r} is neither (batch, channels, height, width) nor (batch, features): "
                f"{shape}",
            )
        return shape

    def image(self, node: Node) -> Shape:
        """The ONNX shape of the first input of a node that works on pixels."""
        shape = self.shape(node, node.inputs[0])
        if len(shape) != 4:
            raise unsupported(node, f"{node.inputs[0]!r} has no height and width: {shape}")
        return shape

    def source(self, node: Node, place: int = 0) -> int:
        """The tensor that is a node's input."""
        name = node.inputs[place]
        if name not in self._tensors:
            raise unsupported(node, f"its input {name!r} is not a tensor that an op makes")
        return self._tensors[name]

    def value(self, node: Node, place: int) -> Array | None:
        """The constant that is a node's input; None for one that is left out or no constant."""
        name = node.optional(place)
        return None if name is None else self._network.constants.get(name)

    def parameter(self, node: Node, place: int) -> Array:
        """The float32 constant that is a node's input."""
        value = self.value(node, place)
        if value is None or value.dtype != np.float32:
            name = node.optional(place) or ""
            raise unsupported(node, f"its input {name!r} is not a float32 constant")
        return value

    def readers(self, name: str) -> Sequence[Node]:
        return self._readers.get(name, ())

    def only_reader(self, name: str) -> Node | None:
        """The node that alone reads a tensor; None if it leaves the network too."""
        readers = self.readers(name)
        return readers[0] if len(readers) == 1 and name not in self._ends else None

    def leaves(self, name: str) -> bool:
        """Whether a tensor is an output of the network."""
        return name in self._ends

    def take(self, node: Node) -> None:
        """Count a node as written: an op before it does its work."""
        self._taken.add(node.outputs[0])

    def taken(self, node: Node) -> bool:
        return node.outputs[0] in self._taken

    def flatten(self, name: str, shape: Shape) -> None:
        """Note that a tensor holds (channels, height, width) in the order of (height, width,
        channels), which whoever reads it has to know."""
        self._flat[name] = shape

    def flattened(self, name: str) -> Shape | None:
        """The (channels, height, width) that `flatten` noted."""
        return self._flat.get(name)

    def alias(self, name: str, tensor: int) -> None:
        """Bind a name of the network to a tensor that is there."""
        self._tensors[name] = tensor

    def constant(self, name: str, value: Array) -> int:
        """A constant, as it lies."""
        return self._file.constant(name, value)

    def scalar(self, name: str, value: float) -> int:
        return self.constant(name, np.array(value, dtype=np.float32))

    def step(
        self,
        name: str,
        shape: Shape,
        code: int,
        inputs: Sequence[int],
        options: Any = None,
        version: int = 1,
    ) -> int:
        """An op on the way to what a node makes; `shape` is of its output, as it lies."""
        made = self._file.tensor(name, shape)
        self._file.op(code, inputs, made, options, version)
        return made

    def emit(
        self,
        node: Node,
        name: str,
        code: int,
        inputs: Sequence[int],
        options: Any = None,
        version: int = 1,
    ) -> None:
        """The op that makes the tensor of this name."""
        shape = laid(self.shape(node, name))
        self._tensors[name] = self.step(name, shape, code, inputs, options, version)


def laid(shape: Shape) -> Shape:
    """An ONNX shape as it lies in the file."""
    return tuple(shape[axis] for axis in TO_LAST) if len(shape) == 4 else shape


def unsupported(node: Node, reason: str) -> RuntimeFailed:
    return RuntimeFailed(f"litert cannot load {node}: {reason}")
