"""Converts a concrete ONNX network to the PyTorch module that a user's model would be."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.graph import OnnxNetwork, OnnxNode
from lpnet_agent.runtimes.torch.layers import LAYERS
from lpnet_agent.runtimes.torch.op import Op

# Ops with several inputs, as a `forward` writes them.
_OPERATORS: dict[str, Callable[..., Any]] = {"Add": operator.add, "Mul": operator.mul}


def to_module(network: OnnxNetwork, runtime: str) -> fx.GraphModule:
    """A module in evaluation mode. It takes the network's inputs in order, and returns its output,
    or a tuple of them. Its `forward` is straight-line Python with a code object of its own.

    Raises RuntimeFailed, naming `runtime` and the node that is not supported.
    """
    return _Builder(network, runtime).build()


class _Builder:
    def __init__(self, network: OnnxNetwork, runtime: str) -> None:
        self._network = network
        self._runtime = runtime
        self._graph = fx.Graph()
        self._root = nn.Module()
        self._values: dict[str, fx.Node] = {}
        self._readers = Counter(name for node in network.nodes for name in set(node.inputs))
        self._readers.update(tensor.name for tensor in network.outputs)
        self._gates: dict[str, str] = {}

    def build(self) -> fx.GraphModule:
        for index, tensor in enumerate(self._network.inputs):
            self._values[tensor.name] = self._graph.placeholder(f"input_{index}")
        for index, node in enumerate(self._network.nodes):
            self._add_node(node, index)
        outputs = tuple(self._value(tensor.name) for tensor in self._network.outputs)
        self._graph.output(outputs[0] if len(outputs) == 1 else outputs)
        return fx.GraphModule(self._root, self._graph, "Network").eval()

    def _add_node(self, node: OnnxNode, index: int) -> None:
        op = Op(node, self._network, self._runtime)
        name = f"{node.op.lower()}_{index}"
        if node.op == "Sigmoid" and self._is_gate(node):
            self._gates[node.outputs[0]] = node.inputs[0]
            return
        gate = next((source for source in node.inputs if source in self._gates), None)
        if gate is not None:
            value = self._add_layers([nn.SiLU()], self._gates[gate], name)
        elif node.op in _OPERATORS:
            operands = tuple(self._value(source) for source in node.inputs)
            value = self._graph.call_function(_OPERATORS[node.op], operands)
        elif node.op == "Concat":
            parts = [self._value(source) for source in node.inputs]
            value = self._graph.call_function(torch.cat, (parts, op.attribute("axis", 0)))
        elif node.op in LAYERS:
            value = self._add_layers(LAYERS[node.op](op), node.inputs[0], name)
        else:
            raise RuntimeFailed(f"{self._runtime} cannot load {node}: the op is unknown")
        op.check_all_read()
        self._values[node.outputs[0]] = value

    def _add_layers(self, layers: list[nn.Module], source: str, name: str) -> fx.Node:
        value = self._value(source)
        for step, layer in enumerate(layers):
            path = f"{name}_{step}" if len(layers) > 1 else name
            self._root.add_module(path, layer)
            value = self._graph.call_module(path, (value,))
        return value

    def _is_gate(self, node: OnnxNode) -> bool:
        """Whether a sigmoid is only multiplied by its own input; together they are a silu."""
        (gate,) = node.outputs
        if self._readers[gate] != 1:
            return False
        product = {node.inputs[0], gate}
        return any(
            reader.op == "Mul" and set(reader.inputs) == product for reader in self._network.nodes
        )

    def _value(self, name: str) -> fx.Node:
        if name not in self._values:
            # A constant that is an operand, not the weight of a layer.
            path = f"constant_{len(self._values)}"
            array = self._network.constants.get(name)
            if array is None or array.dtype != "float32":
                reason = "no op computes it" if array is None else f"its type is {array.dtype}"
                raise RuntimeFailed(f"{self._runtime} cannot load tensor {name!r}: {reason}")
            self._root.register_buffer(path, torch.tensor(array))
            self._values[name] = self._graph.get_attr(path)
        return self._values[name]
