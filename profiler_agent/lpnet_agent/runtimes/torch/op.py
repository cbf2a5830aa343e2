"""An ONNX node while it is converted to PyTorch: attributes that nothing reads are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, fx, nn

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import Array
from lpnet_agent.runtimes.graph import OnnxNetwork, OnnxNode

Sides = tuple[int, ...]


class Module(Protocol):
    """The module that is being built."""

    dtype: torch.dtype

    def value(self, name: str) -> fx.Node:
        """The tensor with a name; a constant becomes a buffer."""
        ...

    def buffer(self, array: Array) -> fx.Node: ...

    def layer(self, layer: nn.Module, source: fx.Node, name: str) -> fx.Node: ...

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> fx.Node: ...


class Op:
    """A node of a network, with access to its attributes and inputs."""

    def __init__(
        self, node: OnnxNode, network: OnnxNetwork, runtime: str, module: Module, path: str
    ) -> None:
        self.node = node
        self.network = network
        self._runtime = runtime
        self._module = module
        self._path = path
        self._unread = dict(node.attributes)

    @property
    def opset(self) -> int:
        return self.network.opset

    @property
    def dtype(self) -> torch.dtype:
        """What floating-point numbers are computed in."""
        return self._module.dtype

    def attribute(self, name: str, default: Any) -> Any:
        return self._unread.pop(name, default)

    def required(self, name: str) -> Any:
        """Raises RuntimeFailed if the attribute is missing."""
        if name not in self._unread:
            raise self.unsupported(f"its {name!r} is missing")
        return self._unread.pop(name)

    def refuse_unless(self, name: str, default: Any) -> None:
        """Raises RuntimeFailed for another value of an attribute than its default."""
        value = self.attribute(name, default)
        if value != default:
            raise self.unsupported(f"{name} must be {default!r}, got {value!r}")

    def check_all_read(self) -> None:
        """Raises RuntimeFailed, naming an attribute that was not read."""
        for name in self._unread:
            raise self.unsupported(f"its {name!r} is unknown")

    def unsupported(self, reason: str) -> RuntimeFailed:
        return RuntimeFailed(f"{self._runtime} cannot load {self.node}: {reason}")

    def input_shape(self, index: int = 0) -> Sides:
        return self._shape(self.node.inputs[index])

    def output_shape(self, index: int = 0) -> Sides:
        return self._shape(self.node.outputs[index])

    def _shape(self, name: str) -> Sides:
        shape = self.network.shapes.get(name)
        if shape is None or min(shape, default=0) < 0:
            raise self.unsupported(f"the shape of {name!r} is unknown")
        return shape

    def type(self, index: int = 0) -> str:
        """The element type of an input."""
        name = self.node.inputs[index]
        if name not in self.network.types:
            raise self.unsupported(f"the type of {name!r} is unknown")
        return self.network.types[name]

    def check_type(self, *types: str) -> None:
        """Raises RuntimeFailed if the first input has another element type."""
        if self.type() not in types:
            raise self.unsupported(f"its input has type {self.type()}, not {' or '.join(types)}")

    def axis(self, value: Any, rank: int | None = None) -> int:
        """A position from 0 among the axes of the first input, or of `rank` axes."""
        rank = len(self.input_shape()) if rank is None else rank
        if not -rank <= int(value) < max(rank, 1):
            raise self.unsupported(f"axis {value} of {rank} axes")
        return int(value) % max(rank, 1)

    def weight(self, index: int) -> Tensor:
        """A constant float32 input. Raises RuntimeFailed if it is anything else."""
        weight = self.optional_weight(index)
        if weight is None:
            raise self.unsupported(f"its input {index} is missing")
        return weight

    def optional_weight(self, index: int) -> Tensor | None:
        array = self.optional_constant(index)
        if array is None:
            return None
        if array.dtype != "float32":
            name = self.node.inputs[index]
            raise self.unsupported(f"{name!r} has type {array.dtype}, not float32")
        return torch.tensor(array)

    def integers(self, index: int) -> tuple[int, ...] | None:
        array = self.optional_constant(index)
        return None if array is None else tuple(int(number) for number in array.reshape(-1))

    def optional_constant(self, index: int) -> Array | None:
        """None for an absent input. Raises RuntimeFailed for one that is computed."""
        name = self.node.optional_input(index)
        if name is not None and name not in self.network.constants:
            raise self.unsupported(f"{name!r} is not a constant")
        return None if name is None else self.network.constants[name]

    def constant(self, index: int) -> Array:
        array = self.optional_constant(index)
        if array is None:
            raise self.unsupported(f"its input {index} is missing")
        return array

    def is_constant(self, index: int) -> bool:
        return self.node.optional_input(index) in self.network.constants

    def check_single_output(self) -> None:
        for name in self.node.outputs[1:]:
            if name:
                raise self.unsupported(f"its output {name!r} is not computed")

    def tensor(self, index: int = 0) -> fx.Node:
        name = self.node.optional_input(index)
        if name is None:
            raise self.unsupported(f"its input {index} is missing")
        return self._module.value(name)

    def tensors(self) -> list[fx.Node]:
        return [self.tensor(index) for index in range(len(self.node.inputs))]

    def buffer(self, array: Array) -> fx.Node:
        return self._module.buffer(array)

    def layer(self, layer: nn.Module) -> fx.Node:
        """Apply a layer to the first input."""
        return self.layers([layer])

    def layers(self, layers: list[nn.Module]) -> fx.Node:
        value = self.tensor()
        for step, layer in enumerate(layers):
            name = f"{self._path}_{step}" if len(layers) > 1 else self._path
            value = self._module.layer(layer, value, name)
        return value

    def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> fx.Node:
        return self._module.call(function, *args, **kwargs)
