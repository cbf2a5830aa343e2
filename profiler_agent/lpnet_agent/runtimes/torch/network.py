"""Converts a concrete ONNX network to the PyTorch module that a user's model would be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import Array
from lpnet_agent.runtimes.graph import OnnxNetwork, OnnxNode
from lpnet_agent.runtimes.torch import elementwise, movement, norms, products, reductions, resize
from lpnet_agent.runtimes.torch.layers import LAYERS
from lpnet_agent.runtimes.torch.op import Op

# Element types of inputs and constants. Floats are computed in the precision of the target.
INTEGERS = {
    "bool": torch.bool,
    "uint8": torch.uint8,
    "int8": torch.int8,
    "int16": torch.int16,
    "int32": torch.int32,
    "int64": torch.int64,
}
TYPES = ("float32", *INTEGERS)
# Ops that are no layers, as a `forward` writes them; several outputs are a list.
_FUNCTIONS: dict[str, Callable[[Op], fx.Node | list[fx.Node]]] = {
    **elementwise.FUNCTIONS,
    **movement.FUNCTIONS,
    **norms.FUNCTIONS,
    **products.FUNCTIONS,
    **reductions.FUNCTIONS,
    **resize.FUNCTIONS,
}


def to_module(
    network: OnnxNetwork, runtime: str, dtype: torch.dtype = torch.float32
) -> fx.GraphModule:
    """A module in evaluation mode. It takes the network's inputs in order, and returns its output,
    or a tuple of them. Its `forward` is straight-line Python with a code object of its own.
    It computes in `dtype` once it was moved there.

    Raises RuntimeFailed, naming `runtime` and the node that is not supported.
    """
    return _Builder(network, runtime, dtype).build()


class _Builder:
    """See op.Module."""

    def __init__(self, network: OnnxNetwork, runtime: str, dtype: torch.dtype) -> None:
        self.dtype = dtype
        self._network = network
        self._runtime = runtime
        self._graph = fx.Graph()
        self._root = nn.Module()
        self._values: dict[str, fx.Node] = {}
        self._buffers = 0
        self._readers = Counter(name for node in network.nodes for name in set(node.inputs))
        self._readers.update(tensor.name for tensor in network.outputs)
        self._gates: dict[str, str] = {}
        # The product that the sum of a linear layer completes, by the name of the product.
        self._linears: dict[str, OnnxNode] = {}

    def build(self) -> fx.GraphModule:
        for index, tensor in enumerate(self._network.inputs):
            self._values[tensor.name] = self._graph.placeholder(f"input_{index}")
        for index, node in enumerate(self._network.nodes):
            self._add_node(node, index)
        outputs = tuple(self.value(tensor.name) for tensor in self._network.outputs)
        self._graph.output(outputs[0] if len(outputs) == 1 else outputs)
        return fx.GraphModule(self._root, self._graph, "Network").eval()

    def _add_node(self, node: OnnxNode, index: int) -> None:
        name = f"{node.op.lower().replace('.', '_')}_{index}"
        op = Op(node, self._network, self._runtime, self, name)
        if node.op == "Sigmoid" and self._is_gate(node):
            self._gates[node.outputs[0]] = node.inputs[0]
            return
        if node.op == "MatMul" and self._has_bias(node):
            self._linears[node.outputs[0]] = node
            return
        value = self._convert(op, name)
        op.check_all_read()
        for output, result in zip(
            node.outputs, value if isinstance(value, list) else [value], strict=False
        ):
            self._values[output] = result

    def _convert(self, op: Op, name: str) -> fx.Node | list[fx.Node]:
        node = op.node
        gate = next((source for source in node.inputs if source in self._gates), None)
        if gate is not None:
            return self.layer(nn.SiLU(), self.value(self._gates[gate]), name)
        product = next((source for source in node.inputs if source in self._linears), None)
        if product is not None:
            position = 1 - node.inputs.index(product)
            linear = Op(self._linears[product], self._network, self._runtime, self, name)
            return products.linear(linear, op.weight(position).reshape(-1))
        if node.op in LAYERS:
            return op.layers(LAYERS[node.op](op))
        if node.op in _FUNCTIONS:
            return _FUNCTIONS[node.op](op)
        raise RuntimeFailed(f"{self._runtime} cannot load {node}: the op is unknown")

    def _is_gate(self, node: OnnxNode) -> bool:
        """Whether a sigmoid is only multiplied by its own input; together they are a silu."""
        (gate,) = node.outputs
        if self._readers[gate] != 1:
            return False
        product = {node.inputs[0], gate}
        return any(
            reader.op == "Mul" and set(reader.inputs) == product for reader in self._network.nodes
        )

    def _has_bias(self, node: OnnxNode) -> bool:
        """Whether a product with a weight is only read by the sum with a bias; together they are
        a linear layer."""
        constants, product = self._network.constants, node.outputs[0]
        weight = constants.get(node.inputs[1])
        if weight is None or weight.ndim != 2 or self._readers[product] != 1:
            return False
        for reader in self._network.nodes:
            if reader.op == "Add" and product in reader.inputs:
                bias = constants.get(reader.inputs[1 - reader.inputs.index(product)])
                return bias is not None and bias.shape == weight.shape[1:]
        return False

    def value(self, name: str) -> fx.Node:
        if name not in self._values:
            # A constant that is an operand, not the weight of a layer.
            array = self._network.constants.get(name)
            if array is None or str(array.dtype) not in TYPES:
                reason = "no op computes it" if array is None else f"its type is {array.dtype}"
                raise RuntimeFailed(f"{self._runtime} cannot load tensor {name!r}: {reason}")
            self._values[name] = self.buffer(array)
        return self._values[name]

    def buffer(self, array: Array) -> fx.Node:
        path = f"constant_{self._buffers}"
        self._buffers += 1
        self._root.register_buffer(path, torch.tensor(array))
        return self._graph.get_attr(path)

    def layer(self, layer: nn.Module, source: fx.Node, name: str) -> fx.Node:
        self._root.add_module(name, layer)
        return self._graph.call_module(name, (source,))

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> fx.Node:
        return self._graph.call_function(function, args, kwargs)
