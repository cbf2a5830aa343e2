"""A concrete ONNX network as plain values, for runtimes that do not read ONNX."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Any

import numpy as np
import onnx
from numpy.typing import DTypeLike
from onnx import numpy_helper, shape_inference

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.base import Array

# Weights with more elements are left out of shape inference.
_LARGE = 1024
# The names of ONNX's own domain.
_ONNX = ("", "ai.onnx")


@dataclass(frozen=True)
class OnnxTensor:
    """An input or output of a network."""

    name: str
    shape: tuple[int, ...]
    dtype: DTypeLike = np.float32


@dataclass(frozen=True)
class OnnxNode:
    """One op. The name of an omitted input is the empty string. An op that ONNX does not define
    has its domain before its name."""

    op: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.op} {self.name!r}"

    def optional_input(self, index: int) -> str | None:
        return (self.inputs[index] or None) if index < len(self.inputs) else None


@dataclass(frozen=True)
class OnnxNetwork:
    """Nodes in execution order, weights by name, and shape and element type of every tensor."""

    inputs: tuple[OnnxTensor, ...]
    outputs: tuple[OnnxTensor, ...]
    nodes: tuple[OnnxNode, ...]
    constants: Mapping[str, Array]
    shapes: Mapping[str, tuple[int, ...]]
    types: Mapping[str, str]
    opset: int


def read_network(
    model: bytes, runtime: str, *, types: Collection[str] | None = ("float32",)
) -> OnnxNetwork:
    """Parse an ONNX model. Raises RuntimeFailed, naming `runtime`, for a model that is not ONNX,
    has no concrete shapes, or has inputs or outputs of other element types than `types`. None
    allows any."""
    try:
        proto = onnx.load_from_string(model)
        constants = {
            weight.name: numpy_helper.to_array(weight) for weight in proto.graph.initializer
        }
        _strip_weights(proto.graph)
        proto = _infer_shapes(proto)
    except Exception as error:  # protobuf and onnx have no common base class for errors
        raise RuntimeFailed(f"{runtime} cannot load the network: {error}") from error
    graph = proto.graph
    for node in graph.node:
        if node.op_type == "Constant":
            constants[node.output[0]] = _constant(node)
    inputs = [info for info in graph.input if info.name not in constants]
    for info in (*inputs, *graph.output):
        if types is not None and _type(info) not in types:
            raise RuntimeFailed(
                f"{runtime} cannot load tensor {info.name!r}: its type is {_type(info)}, not "
                f"{' or '.join(types)} (onnxruntime and openvino take other types)"
            )
    shapes = {name: tuple(value.shape) for name, value in constants.items()}
    element_types = {name: str(value.dtype) for name, value in constants.items()}
    for info in (*inputs, *graph.value_info, *graph.output):
        shapes[info.name] = _shape(info)
        element_types[info.name] = _type(info)
    return OnnxNetwork(
        inputs=tuple(_tensor(info, shapes) for info in inputs),
        outputs=tuple(_tensor(info, shapes) for info in graph.output),
        nodes=tuple(_node(node) for node in graph.node if node.op_type != "Constant"),
        constants=constants,
        shapes=shapes,
        types=element_types,
        opset=max((o.version for o in proto.opset_import if o.domain in _ONNX), default=1),
    )


def _infer_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """ONNX infers no shape of a group norm, so it is added here, one norm after the other."""
    norms = [node for node in model.graph.node if node.op_type == "GroupNormalization"]
    while True:
        model = shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
        shapes = {
            info.name: info.type
            for info in (*model.graph.input, *model.graph.value_info, *model.graph.output)
            if info.type.tensor_type.HasField("shape")
        }
        norms = [node for node in norms if node.output[0] not in shapes]
        inferable = [node for node in norms if node.input[0] in shapes]
        if not inferable:
            return model
        for node in inferable:
            info = onnx.ValueInfoProto(name=node.output[0], type=shapes[node.input[0]])
            outputs = [output for output in model.graph.output if output.name == info.name]
            if outputs:
                outputs[0].CopyFrom(info)
            else:
                model.graph.value_info.append(info)


def _strip_weights(graph: onnx.GraphProto) -> None:
    """Remove the values of large weights: no shape depends on them, and shape inference would take
    seconds to pass on hundreds of MB."""
    for weight in graph.initializer:
        if weight.data_type == onnx.TensorProto.FLOAT and prod(weight.dims) > _LARGE:
            weight.ClearField("raw_data")
            weight.ClearField("float_data")


def _constant(node: onnx.NodeProto) -> Array:
    for attribute in node.attribute:
        if attribute.name == "value":
            return numpy_helper.to_array(attribute.t)
    raise RuntimeFailed(
        f"Constant {node.name!r}: its attribute {node.attribute[0].name!r} is not supported"
    )


def _node(node: onnx.NodeProto) -> OnnxNode:
    attributes = {
        attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute
    }
    attributes = {
        name: value.decode() if isinstance(value, bytes) else value
        for name, value in attributes.items()
    }
    op = node.op_type if node.domain in _ONNX else f"{node.domain}.{node.op_type}"
    return OnnxNode(op, node.name, tuple(node.input), tuple(node.output), attributes)


def _type(info: onnx.ValueInfoProto) -> str:
    kind = info.type.tensor_type.elem_type
    if kind in (onnx.TensorProto.UNDEFINED, onnx.TensorProto.STRING):
        name: str = onnx.TensorProto.DataType.Name(kind)
        return name.lower()
    return str(onnx.helper.tensor_dtype_to_np_dtype(kind))


def _shape(info: onnx.ValueInfoProto) -> tuple[int, ...]:
    """An unknown dimension is -1."""
    dims = info.type.tensor_type.shape.dim
    return tuple(dim.dim_value if dim.HasField("dim_value") else -1 for dim in dims)


def _tensor(info: onnx.ValueInfoProto, shapes: Mapping[str, tuple[int, ...]]) -> OnnxTensor:
    shape = shapes[info.name]
    if any(dim < 0 for dim in shape):
        raise RuntimeFailed(f"tensor {info.name!r} has no concrete shape: {shape}")
    dtype = onnx.helper.tensor_dtype_to_np_dtype(info.type.tensor_type.elem_type)
    return OnnxTensor(info.name, shape, dtype)
