"""The state while a network is converted: its tensors so far, and helpers for the next op.

Tensors of four dimensions are stored as (batch, height, width, channels), all others as in ONNX.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import Array
from lpnet_agent.runtimes.graph import OnnxNetwork, OnnxNode
from lpnet_agent.runtimes.litert.file import TfliteFile

Shape = tuple[int, ...]
Code = schema.BuiltinOperator
TO_NHWC = (0, 2, 3, 1)
TO_NCHW = (0, 3, 1, 2)


class Lowering:
    """Emits the ops of one network, in its order."""

    def __init__(self, network: OnnxNetwork) -> None:
        self._network = network
        self._file = TfliteFile()
        self._tensors: dict[str, int] = {}
        self._readers: dict[str, list[OnnxNode]] = {}
        for node in network.nodes:
            for name in dict.fromkeys(node.inputs):
                self._readers.setdefault(name, []).append(node)
        self._outputs = {tensor.name for tensor in network.outputs}
        self._fused: set[str] = set()
        # (channels, height, width) of flattened images whose features are in the order of NHWC.
        self._flattened: dict[str, Shape] = {}
        for tensor in network.inputs:
            self._tensors[tensor.name] = self._file.tensor(tensor.name, to_nhwc(tensor.shape))

    def finish(self) -> bytes:
        network = self._network
        return self._file.finish(
            [self._tensors[tensor.name] for tensor in network.inputs],
            [self._tensors[tensor.name] for tensor in network.outputs],
        )

    def shape(self, node: OnnxNode, name: str) -> Shape:
        """The ONNX shape of an input or output of a node, with 2 or 4 dimensions."""
        shape = self._network.shapes.get(name, (-1,))
        if min(shape, default=1) < 1:
            raise unsupported(node, f"the shape of {name!r} is unknown: {shape}")
        if len(shape) not in (2, 4):
            raise unsupported(
                node,
                f"{name!r} is neither (batch, channels, height, width) nor (batch, features): "
                f"{shape}",
            )
        return shape

    def image_shape(self, node: OnnxNode) -> Shape:
        shape = self.shape(node, node.inputs[0])
        if len(shape) != 4:
            raise unsupported(node, f"{node.inputs[0]!r} has no height and width: {shape}")
        return shape

    def input_tensor(self, node: OnnxNode, index: int = 0) -> int:
        name = node.inputs[index]
        if name not in self._tensors:
            raise unsupported(node, f"its input {name!r} is not computed by an op")
        return self._tensors[name]

    def constant_input(self, node: OnnxNode, index: int) -> Array | None:
        name = node.optional_input(index)
        return None if name is None else self._network.constants.get(name)

    def parameter(self, node: OnnxNode, index: int) -> Array:
        """The value of a node's input, which has to be a float32 constant."""
        value = self.constant_input(node, index)
        if value is None or value.dtype != np.float32:
            name = node.optional_input(index) or ""
            raise unsupported(node, f"its input {name!r} is not a float32 constant")
        return value

    def readers(self, name: str) -> Sequence[OnnxNode]:
        return self._readers.get(name, ())

    def only_reader(self, name: str) -> OnnxNode | None:
        """The only node that reads a tensor; None if there are others, or if the tensor is an
        output of the network."""
        readers = self.readers(name)
        return readers[0] if len(readers) == 1 and not self.is_output(name) else None

    def is_output(self, name: str) -> bool:
        return name in self._outputs

    def mark_fused(self, node: OnnxNode) -> None:
        self._fused.add(node.outputs[0])

    def is_fused(self, node: OnnxNode) -> bool:
        return node.outputs[0] in self._fused

    def mark_flattened(self, name: str, shape: Shape) -> None:
        """Record that a tensor holds an image of (channels, height, width), flattened in the order
        (height, width, channels)."""
        self._flattened[name] = shape

    def flattened_shape(self, name: str) -> Shape | None:
        return self._flattened.get(name)

    def alias(self, name: str, tensor: int) -> None:
        self._tensors[name] = tensor

    def constant(self, name: str, value: Array) -> int:
        return self._file.constant(name, value)

    def scalar(self, name: str, value: float) -> int:
        return self.constant(name, np.array(value, dtype=np.float32))

    def add_op(
        self,
        name: str,
        shape: Shape,
        code: int,
        inputs: Sequence[int],
        options: Any = None,
        version: int = 1,
    ) -> int:
        """An op whose output is an intermediate tensor; `shape` is its shape as stored."""
        output = self._file.tensor(name, shape)
        self._file.op(code, inputs, output, options, version)
        return output

    def emit(
        self,
        node: OnnxNode,
        name: str,
        code: int,
        inputs: Sequence[int],
        options: Any = None,
        version: int = 1,
    ) -> None:
        shape = to_nhwc(self.shape(node, name))
        self._tensors[name] = self.add_op(name, shape, code, inputs, options, version)


def to_nhwc(shape: Shape) -> Shape:
    return tuple(shape[axis] for axis in TO_NHWC) if len(shape) == 4 else shape


def unsupported(node: OnnxNode, reason: str) -> RuntimeFailed:
    return RuntimeFailed(f"litert cannot load {node}: {reason}")
