"""Writing ONNX: a template with symbolic channels, or a network at concrete widths."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper

from lpnet.space.general_writer import GeneralWriter
from lpnet.space.graph import Attributes, Node
from lpnet.space.onnx_parts import IR_VERSION, OPSET, Dim, Parts, Weight, dim, tensor
from lpnet.space.onnx_reader.activations import PLAIN
from lpnet.space.slots import Tensor
from lpnet.space.template import Template

INPUT_NAME = "input"
Ends = tuple[list[onnx.ValueInfoProto], list[onnx.ValueInfoProto]]
_OF_FUNCTION = {function: op for op, (function, _) in PLAIN.items()}
_BOUNDS: dict[str, Attributes] = {"relu6": (("min", 0.0), ("max", 6.0))}


def parts(template: Template, widths: Mapping[str, int] | None, batch: int = 1) -> Parts:
    """Channels are symbolic if `widths` is None."""
    writer = _Writer(template, widths, batch)
    for index in range(len(template.graph.nodes)):
        writer.node(index)
    return writer.parts


def assemble(
    name: str,
    parts: Parts,
    ends: Ends,
    *,
    inputs: Sequence[onnx.ValueInfoProto] = (),
) -> onnx.ModelProto:
    graph = helper.make_graph(
        parts.nodes, name or "space", [*ends[0], *inputs], ends[1], initializer=parts.constants
    )
    opsets = [helper.make_opsetid("", OPSET)]
    domains = sorted({node.domain for node in parts.nodes} - {"", "ai.onnx"})
    opsets += [helper.make_opsetid(domain, 1) for domain in domains]
    return helper.make_model(
        graph, producer_name="lpnet", opset_imports=opsets, ir_version=IR_VERSION
    )


def ends(template: Template, widths: Mapping[str, int] | None, batch: Dim) -> Ends:
    """The inputs and outputs of a graph."""
    graph, layout = template.graph, template.layout
    if layout is not None:
        inputs = [
            _end(input_name(index), tensor, widths, batch)
            for index, tensor in enumerate(layout.inputs)
        ]
        outputs = [
            _end(graph.nodes[index].name, layout.tensors[index], widths, batch)
            for index in dict.fromkeys(layout.outputs)
        ]
        return inputs, outputs
    last = graph.nodes[-1]
    source = [batch, dim(template.input, widths)]
    result = [batch, dim(template.axes[-1], widths)]
    source += [] if graph.flat else [graph.h, graph.w]
    result += [] if graph.flats()[-1] else [*graph.sizes()[-1]]
    return [tensor(INPUT_NAME, source)], [tensor(last.name, result)]


def _end(
    name: str, value: Tensor, widths: Mapping[str, int] | None, batch: Dim
) -> onnx.ValueInfoProto:
    dims = [dim(axis, widths) for axis in value.dims]
    if value.batch is not None:
        own = dims[value.batch]
        if isinstance(batch, int) and isinstance(own, int):
            dims[value.batch] = own * batch
        else:
            dims[value.batch] = str(batch) if own == 1 else f"{batch}*{own}"
    return helper.make_tensor_value_info(name, element_type(value.type), dims)


def element_type(name: str) -> int:
    """ONNX's number of an element type, such as float or int64."""
    number: int = onnx.TensorProto.DataType.Value(_ELEMENTS.get(name, name.upper()))
    return number


_ELEMENTS = {"float32": "FLOAT", "float64": "DOUBLE"}


def input_name(index: int) -> str:
    return INPUT_NAME if index == 0 else f"{INPUT_NAME}{index + 1}"


class _Writer:
    def __init__(self, template: Template, widths: Mapping[str, int] | None, batch: int) -> None:
        self.template = template
        self.widths = widths
        self.parts = Parts()
        self.general = GeneralWriter(template.graph, widths, batch, self.parts)

    def node(self, index: int) -> None:
        node = self.template.graph.nodes[index]
        nodes = self.template.graph.nodes
        inputs = [input_name(-1 - i) if i < 0 else nodes[i].name for i in node.inputs]
        if node.slots:
            self.general.node(index, inputs)
            return
        match node.type:
            case "conv2d":
                self._conv(index, node, inputs)
            case "linear":
                c_in, c_out = self.template.axis_in(index), self.template.axes[index]
                inputs.append(
                    self._weight(index, "weight", dim(c_out, self.widths), dim(c_in, self.widths))
                )
                inputs.append(self._weight(index, "bias", dim(c_out, self.widths)))
                self._add(node, "Gemm", inputs, transB=1)
            case "batch_norm":
                channels = dim(self.template.axes[index], self.widths)
                for role in ("weight", "bias", "running_mean", "running_var"):
                    inputs.append(self._weight(index, role, channels))
                self._add(node, "BatchNormalization", inputs)
            case "activation":
                self._activation(node, inputs)
            case "add":
                self._add(node, "Add", inputs)
            case "flatten":
                self._add(node, "Flatten", inputs, axis=1)
            case _:
                self._pool(node, inputs)

    def _conv(self, index: int, node: Node, inputs: list[str]) -> None:
        c_in, c_out = self.template.axis_in(index), dim(self.template.axes[index], self.widths)
        groups, per_group = node.groups, dim(c_in, self.widths, node.groups)
        if self.template.depthwise(index):
            per_group = 1
            groups = c_in.dense if self.widths is None else c_in.count(self.widths)
        inputs.append(self._weight(index, "weight", c_out, per_group, *node.kernel))
        inputs.append(self._weight(index, "bias", c_out))
        self._add(node, "Conv", inputs, group=groups, **_window(node))

    def _activation(self, node: Node, inputs: list[str]) -> None:
        if node.function == "silu":
            gate = f"{node.name}/sigmoid"
            self.parts.nodes.append(helper.make_node("Sigmoid", inputs, [gate], name=gate))
            self._add(node, "Mul", [inputs[0], gate])
            return
        if node.function in ("relu6", "clip"):
            bounds = dict(_BOUNDS.get(node.function, node.attributes))
            for bound in ("min", "max"):
                inputs.append(self._constant(node, bound, bounds.get(bound)))
            self._add(node, "Clip", inputs)
            return
        self._add(node, _OF_FUNCTION[node.function], inputs, **dict(node.attributes))

    def _constant(self, node: Node, name: str, value: Any) -> str:
        if value is None:
            return ""
        name = f"{node.name}/{name}"
        scalar = np.array(value, dtype=np.float32)
        self.parts.constants.append(onnx.numpy_helper.from_array(scalar, name))
        return name

    def _pool(self, node: Node, inputs: list[str]) -> None:
        if node.mode == "global":
            self._add(node, "GlobalAveragePool", inputs)
            return
        op = "MaxPool" if node.mode == "max" else "AveragePool"
        self._add(node, op, inputs, **_window(node), **dict(node.attributes))

    def _add(self, node: Node, op: str, inputs: list[str], **attributes: Any) -> None:
        proto = helper.make_node(op, inputs, [node.name], name=node.name, **attributes)
        if node.module:
            proto.metadata_props.add(key="module", value=node.module)
        if node.norms:
            proto.metadata_props.add(key="norms", value=json.dumps(node.norms))
        self.parts.nodes.append(proto)

    def _weight(self, index: int, role: str, *dims: Dim) -> str:
        name = f"{self.template.graph.nodes[index].name}.{role}"
        self.parts.weights.append(Weight(name, index, role, dims))
        return name


def _window(node: Node) -> dict[str, Any]:
    window: dict[str, Any] = {
        "kernel_shape": list(node.kernel),
        "strides": list(node.stride),
        "pads": [*node.padding, *node.padding],
    }
    if node.dilation != (1, 1):
        window["dilations"] = list(node.dilation)
    return window
