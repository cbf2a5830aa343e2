"""An ONNX node while it is converted to layers: attributes that nothing reads are refused."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.graph import OnnxNetwork, OnnxNode


class Op:
    """A node of a network, with access to its attributes and constant inputs."""

    def __init__(self, node: OnnxNode, network: OnnxNetwork, runtime: str) -> None:
        self.node = node
        self._network = network
        self._runtime = runtime
        self._unread = dict(node.attributes)

    def attribute(self, name: str, default: Any) -> Any:
        return self._unread.pop(name, default)

    def check_all_read(self) -> None:
        """Raises RuntimeFailed, naming an attribute that was not read."""
        for name in self._unread:
            raise self.unsupported(f"its {name!r} is unknown")

    def unsupported(self, reason: str) -> RuntimeFailed:
        return RuntimeFailed(f"{self._runtime} cannot load {self.node}: {reason}")

    def input_shape(self) -> tuple[int, ...]:
        return self._network.shapes[self.node.inputs[0]]

    def weight(self, index: int) -> Tensor:
        """A constant float32 input. Raises RuntimeFailed if it is anything else."""
        weight = self.optional_weight(index)
        if weight is None:
            raise self.unsupported(f"its input {index} is missing")
        return weight

    def optional_weight(self, index: int) -> Tensor | None:
        name = self._constant_name(index)
        if name is None:
            return None
        array = self._network.constants[name]
        if array.dtype != "float32":
            raise self.unsupported(f"{name!r} has type {array.dtype}, not float32")
        return torch.tensor(array)

    def integers(self, index: int) -> tuple[int, ...] | None:
        name = self._constant_name(index)
        if name is None:
            return None
        return tuple(int(number) for number in self._network.constants[name].reshape(-1))

    def check_single_output(self) -> None:
        for name in self.node.outputs[1:]:
            if name:
                raise self.unsupported(f"its output {name!r} is not computed")

    def _constant_name(self, index: int) -> str | None:
        name = self.node.optional_input(index)
        if name is not None and name not in self._network.constants:
            raise self.unsupported(f"{name!r} is not a constant")
        return name
