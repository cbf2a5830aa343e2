"""An ONNX graph as it was read, with static shapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, ...]


@dataclass(frozen=True)
class RawNode:
    """An ONNX node. `path` is the module it comes from, if known, and names it in messages."""

    name: str
    op: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    path: str

    def attr(self, name: str, default: Any) -> Any:
        return self.attributes.get(name, default)


@dataclass(frozen=True)
class RawGraph:
    """`parameters` are the shapes of the weights by name, `constants` small arrays, and `shapes`
    those of other tensors as far as they are known."""

    nodes: tuple[RawNode, ...]
    input: str
    input_shape: Shape
    output: str
    parameters: Mapping[str, Shape]
    constants: Mapping[str, NDArray[Any]]
    shapes: Mapping[str, Shape] = field(default_factory=dict)

    def scalar(self, name: str) -> float | None:
        """None if the name is not a constant with one element."""
        value = self.constants.get(name)
        return (
            float(np.asarray(value).reshape(())) if value is not None and value.size == 1 else None
        )
