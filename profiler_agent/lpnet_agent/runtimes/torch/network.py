"""From a concrete ONNX network to the PyTorch module that a user's model would be."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import fx, nn

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.graph import Network, Node
from lpnet_agent.runtimes.torch.layers import LAYERS
from lpnet_agent.runtimes.torch.op import Op

# Ops of several inputs, as a `forward` writes them.
_OPERATORS: dict[str, Callable[..., Any]] = {"Add": operator.add, "Mul": operator.mul}


def to_module(network: Network, runtime: str) -> fx.GraphModule:
    """A module in evaluation mode that takes the network's inputs in order, and returns its
    output, or a tuple of them. Its `forward` is straight-line Python, with code of its own.

    Raises RuntimeFailed, in the name of `runtime`, which names the node that it cannot load.
    """
    return _Builder(network, runtime).build()


class _Builder:
    def __init__(self, network: Network, runtime: str) -> None:
        self._network = network
        self._runtime = runtime
        self._graph = fx.Graph()
        self._root = nn.Module()
        self._values: dict[str, fx.Node] = {}
        self._readers = Counter(name for node in network.nodes for name in set(node.inputs))
        self._readers.update(each.name for each in network.outputs)
        self._gates: dict[str, str] = {}

    def build(self) -> fx.GraphModule:
        for place, tensor in enumerate(self._network.inputs):
            self._values[tensor.name] = self._graph.placeholder(f"input_{place}")
        for place, node in enumerate(self._network.nodes):
            self._node(node, place)
        results = tuple(self._value(each.name) for each in self._network.outputs)
        self._graph.output(results[0] if len(results) == 1 else results)
        return fx.GraphModule(self._root, self._graph, "Network").eval()

    def _node(self, node: Node, place: int) -> None:
        op = Op(node, self._network, self._runtime)
        name = f"{node.op.lower()}_{place}"
        if node.op == "Sigmoid" and self._is_gate(node):
            self._gates[node.outputs[0]] = node.inputs[0]
            return
        gate = next((each for each in node.inputs if each in self._gates), None)
        if gate is not None:
            made = self._through([nn.SiLU()], self._gates[gate], name)
        elif node.op in _OPERATORS:
            operands = tuple(self._value(each) for each in node.inputs)
            made = self._graph.call_function(_OPERATORS[node.op], operands)
        elif node.op == "Concat":
            parts = [self._value(each) for each in node.inputs]
            made = self._graph.call_function(torch.cat, (parts, op.attribute("axis", 0)))
        elif node.op in LAYERS:
            made = self._through(LAYERS[node.op](op), node.inputs[0], name)
        else:
            raise RuntimeFailed(f"{self._runtime} cannot load {node}: the op is unknown")
        op.close()
        self._values[node.outputs[0]] = made

    def _through(self, layers: list[nn.Module], source: str, name: str) -> fx.Node:
        value = self._value(source)
        for step, layer in enumerate(layers):
            path = f"{name}_{step}" if len(layers) > 1 else name
            self._root.add_module(path, layer)
            value = self._graph.call_module(path, (value,))
        return value

    def _is_gate(self, node: Node) -> bool:
        """A sigmoid that nothing reads but a product with its own input: together a silu."""
        (gate,) = node.outputs
        if self._readers[gate] != 1:
            return False
        product = {node.inputs[0], gate}
        return any(
            each.op == "Mul" and set(each.inputs) == product for each in self._network.nodes
        )

    def _value(self, name: str) -> fx.Node:
        if name not in self._values:
            # Read as an operand: a constant that belongs to no layer.
            path = f"constant_{len(self._values)}"
            array = self._network.constants.get(name)
            if array is None or array.dtype != "float32":
                why = "nothing makes it" if array is None else f"it is {array.dtype}"
                raise RuntimeFailed(f"{self._runtime} cannot load tensor {name!r}: {why}")
            self._root.register_buffer(path, torch.tensor(array))
            self._values[name] = self._graph.get_attr(path)
        return self._values[name]
