"""The parts of an ONNX graph that is being written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import onnx
from onnx import helper

from lpnet.space.axis import Axis

Dim = int | str
# ONNX Runtime supports these since 1.18; Gelu needs opset 20.
OPSET, IR_VERSION = 20, 10


@dataclass(frozen=True)
class Weight:
    """A weight of a network: `node` is the index of its node, `role` such as weight or bias.

    All its values are `value`, or random ones if that is None. `fan_in` is the number of values
    that an output sums; 0 for all but the first axis.
    """

    name: str
    node: int
    role: str
    dims: tuple[Dim, ...]
    value: float | None = None
    fan_in: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(int(side) for side in self.dims)


@dataclass
class Parts:
    """The parts of a graph. `arrays` are large constants that a template has as inputs."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    weights: list[Weight] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    arrays: list[onnx.ValueInfoProto] = field(default_factory=list)


def dim(axis: Axis, widths: Mapping[str, int] | None, groups: int = 1) -> Dim:
    """A number, or its affine form as text."""
    if widths is not None:
        return axis.count(widths) // groups
    if not axis.widths:
        return axis.dense // groups
    return axis.label() if groups == 1 else f"{axis.label()}/{groups}"


def tensor(name: str, dims: Sequence[Dim]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, list(dims))
