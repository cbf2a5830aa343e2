"""An ONNX graph as it was read, with static shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpnet.errors import SpaceError

Shape = tuple[int, ...]


@dataclass(frozen=True)
class RawNode:
    """An ONNX node. `path` is the module it comes from, if known, and names it in messages.

    `captured` are the tensors of the graph that its subgraphs read. A `fixed` node has sizes that
    are right at the resolution of the example only.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    path: str
    domain: str = ""
    captured: tuple[str, ...] = ()
    fixed: bool = False

    def attr(self, name: str, default: Any) -> Any:
        return self.attributes.get(name, default)


@dataclass(frozen=True)
class RawGraph:
    """`inputs` and `parameters` are shapes by name, `constants` are arrays, and `shapes` holds the
    shapes of other tensors as far as they are known. `types` are element types of tensors that
    are not float32. `modules` names the layer of a weight, and `buffers` are
    weights that are no parameters."""

    nodes: tuple[RawNode, ...]
    inputs: Mapping[str, Shape]
    outputs: tuple[str, ...]
    parameters: Mapping[str, Shape]
    constants: Mapping[str, NDArray[Any]]
    shapes: Mapping[str, Shape] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    modules: Mapping[str, str] = field(default_factory=dict)
    buffers: frozenset[str] = frozenset()

    @property
    def input(self) -> str:
        return next(iter(self.inputs))

    @property
    def input_shape(self) -> Shape:
        return self.inputs[self.input]

    @property
    def batch(self) -> int:
        """The batch size at which the graph was read, the first side of its inputs."""
        return self.input_shape[0] if self.input_shape else 1

    @property
    def output(self) -> str:
        return self.outputs[0]

    def shape(self, name: str) -> Shape:
        """The shape of a tensor. Raises SpaceError, naming it, if it is not fixed."""
        for shapes in (self.shapes, self.parameters, self.inputs):
            if name in shapes:
                return shapes[name]
        if name in self.constants:
            return tuple(int(side) for side in self.constants[name].shape)
        op = next((node.op for node in self.nodes if name in node.outputs), "no op")
        raise SpaceError(f"the shape of {name!r}, which {op} computes, is not fixed")

    def is_uniform(self, name: str) -> bool:
        """True for a constant of floats that are all equal, of which any part may be taken."""
        value = self.constants.get(name)
        if value is None or not np.issubdtype(value.dtype, np.floating) or not value.size:
            return False
        return bool((value == value.flat[0]).all())

    def integers(self, name: str) -> list[int] | None:
        """The values of a constant of integers. None if it is not one."""
        value = self.constants.get(name)
        if value is None or not np.issubdtype(value.dtype, np.integer):
            return None
        return [int(number) for number in value.reshape(-1)]

    def scalar(self, name: str) -> float | None:
        """None if the name is not a constant with one element."""
        value = self.constants.get(name)
        return (
            float(np.asarray(value).reshape(())) if value is not None and value.size == 1 else None
        )
