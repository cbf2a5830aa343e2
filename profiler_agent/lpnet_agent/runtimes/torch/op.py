"""An ONNX node as it is turned into layers: what is read is honoured, what is not is refused."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.graph import Network, Node


class Op:
    """A node of a network, read piece by piece."""

    def __init__(self, node: Node, network: Network, runtime: str) -> None:
        self.node = node
        self._network = network
        self._runtime = runtime
        self._unread = dict(node.attributes)

    def attribute(self, name: str, default: Any) -> Any:
        return self._unread.pop(name, default)

    def close(self) -> None:
        """Raises RuntimeFailed naming an attribute that nobody has read."""
        for name in self._unread:
            raise self.refused(f"its {name!r} is unknown")

    def refused(self, why: str) -> RuntimeFailed:
        return RuntimeFailed(f"{self._runtime} cannot load {self.node}: {why}")

    def shape(self) -> tuple[int, ...]:
        """Sides of the first input."""
        return self._network.shapes[self.node.inputs[0]]

    def weight(self, place: int) -> Tensor:
        """A constant input. Raises RuntimeFailed where it is computed or not float32."""
        found = self.optional_weight(place)
        if found is None:
            raise self.refused(f"its input {place} is missing")
        return found

    def optional_weight(self, place: int) -> Tensor | None:
        """Likewise; None where it was left out."""
        name = self.node.optional(place)
        if name is None:
            return None
        if name not in self._network.constants:
            raise self.refused(f"{name!r} is no constant")
        array = self._network.constants[name]
        if array.dtype != "float32":
            raise self.refused(f"{name!r} is {array.dtype}")
        return torch.tensor(array)

    def numbers(self, place: int) -> tuple[int, ...] | None:
        """A constant input of integers; None where it was left out."""
        name = self.node.optional(place)
        if name is None:
            return None
        if name not in self._network.constants:
            raise self.refused(f"{name!r} is no constant")
        return tuple(int(number) for number in self._network.constants[name].reshape(-1))

    def only_output(self) -> None:
        """Raises RuntimeFailed where something beside the first output is wanted."""
        for name in self.node.outputs[1:]:
            if name:
                raise self.refused(f"its output {name!r} is not computed")
