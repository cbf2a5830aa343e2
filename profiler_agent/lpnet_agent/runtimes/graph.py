"""A concrete ONNX network as plain values, for runtimes that do not read ONNX themselves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import onnx
from onnx import numpy_helper, shape_inference

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import Array

_LARGE = 1024  # numbers


@dataclass(frozen=True)
class Tensor:
    """An input or output of a network."""

    name: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Node:
    """One ONNX op. An input that was left out is the empty string."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.op} {self.name!r}"

    def optional(self, place: int) -> str | None:
        """The name of an input that may be left out."""
        return (self.inputs[place] or None) if place < len(self.inputs) else None


@dataclass(frozen=True)
class Network:
    """Nodes in execution order, weights by name, and the shape of every tensor."""

    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    shapes: Mapping[str, tuple[int, ...]]


def read_network(model: bytes, runtime: str) -> Network:
    """Raises RuntimeFailed, in the name of `runtime`, for what is not ONNX, has no concrete shapes
    or computes in anything but float32."""
    try:
        proto = onnx.load_from_string(model)
        constants = {each.name: numpy_helper.to_array(each) for each in proto.graph.initializer}
        _strip(proto.graph)
        proto = shape_inference.infer_shapes(proto, strict_mode=True, data_prop=True)
    except Exception as error:  # protobuf and onnx share no base of their own
        raise RuntimeFailed(f"{runtime} cannot load the network: {error}") from error
    graph = proto.graph
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant(node)
    given = [each for each in graph.input if each.name not in constants]
    for each in (*given, *graph.output):
        kind = each.type.tensor_type.elem_type
        if kind != onnx.TensorProto.FLOAT:
            word = onnx.TensorProto.DataType.Name(kind).lower()
            raise RuntimeFailed(f"{runtime} cannot load tensor {each.name!r}: it is {word}")
    shapes = {name: tuple(value.shape) for name, value in constants.items()}
    for each in (*given, *graph.value_info, *graph.output):
        shapes[each.name] = _shape(each)
    return Network(
        inputs=tuple(Tensor(each.name, _concrete(shapes[each.name], each.name)) for each in given),
        outputs=tuple(
            Tensor(each.name, _concrete(shapes[each.name], each.name)) for each in graph.output
        ),
        nodes=tuple(_node(each) for each in graph.node if each.op_type != "Constant"),
        constants=constants,
        shapes=shapes,
    )


def _strip(graph: onnx.GraphProto) -> None:
    """Take the values out of large weights: shapes do not follow from them, and to hand them
    through shape inference takes seconds for hundreds of MB."""
    for each in graph.initializer:
        if each.data_type == onnx.TensorProto.FLOAT and prod(each.dims) > _LARGE:
            each.ClearField("raw_data")
            each.ClearField("float_data")


def _constant(node: onnx.NodeProto) -> Array:
    for each in node.attribute:
        if each.name == "value":
            return numpy_helper.to_array(each.t)
    raise RuntimeFailed(f"Constant {node.name!r}: nothing reads its {node.attribute[0].name!r}")


def _node(node: onnx.NodeProto) -> Node:
    attributes = {each.name: onnx.helper.get_attribute_value(each) for each in node.attribute}
    attributes = {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in attributes.items()
    }
    return Node(node.op_type, node.name, tuple(node.input), tuple(node.output), attributes)


def _shape(info: onnx.ValueInfoProto) -> tuple[int, ...]:
    """Sides of a tensor; -1 for one that is not known."""
    sides = info.type.tensor_type.shape.dim
    return tuple(side.dim_value if side.HasField("dim_value") else -1 for side in sides)


def _concrete(shape: tuple[int, ...], name: str) -> tuple[int, ...]:
    if any(side < 0 for side in shape):
        raise RuntimeFailed(f"tensor {name!r} has no concrete shape: {shape}")
    return shape
