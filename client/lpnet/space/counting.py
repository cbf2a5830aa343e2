"""Counting layers without the op table: by running a torch model, and on an ONNX model.

Tests compare a space's arithmetic with both counts, so they share no code with it.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any

import onnx
import torch
from onnx import helper, shape_inference
from torch import Tensor, nn

_MAX_INFERRED_SIZE = 64


@dataclass(frozen=True)
class Layer:
    """A conv, a linear, or a BatchNorm that follows neither.

    `macs` are multiply-accumulates for a single input. `params` are counted after BatchNorm is
    folded, so that each conv and linear has a bias per channel.
    """

    name: str
    c_in: int
    c_out: int
    groups: int
    macs: int
    params: int


def count_module(model: nn.Module, example_input: Tensor) -> list[Layer]:
    """The layers of a torch model in execution order, by hooks in a forward pass.

    It also works on the meta device, where nothing is computed. `model` should be in evaluation
    mode.
    """
    layers: list[Layer] = []
    folds: list[Tensor] = []
    handles = []
    for name, module in model.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear | nn.modules.batchnorm._BatchNorm):
            handles.append(module.register_forward_hook(_hook(name, layers, folds)))
    try:
        with torch.no_grad():
            model(example_input)
    finally:
        for handle in handles:
            handle.remove()
    return layers


def _hook(name: str, layers: list[Layer], folds: list[Tensor]) -> Any:
    def hook(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            # `folds` keeps the tensors alive, so identity is safe.
            if not any(inputs[0] is tensor for tensor in folds):
                c = inputs[0].shape[1]
                layers.append(Layer(name, c, c, 1, 0, 2 * c))
            return
        folds.append(output)
        if not isinstance(module, nn.Conv2d | nn.Linear):
            raise TypeError(f"{name}: cannot count a {type(module).__name__}")
        pixels = prod(output.shape[2:])
        groups = module.groups if isinstance(module, nn.Conv2d) else 1
        weights = prod(module.weight.shape)
        c_in, c_out = inputs[0].shape[1], output.shape[1]
        layers.append(Layer(name, c_in, c_out, groups, weights * pixels, weights + c_out))

    return hook


def count_onnx(model: onnx.ModelProto) -> list[Layer]:
    """The layers of an ONNX model with static shapes, by ONNX's own shape inference."""
    shapes = _shapes(model)
    return [
        _layer(node, shapes)
        for node in model.graph.node
        if node.op_type in ("Conv", "Gemm", "BatchNormalization")
    ]


def _layer(node: onnx.NodeProto, shapes: dict[str, tuple[int, ...]]) -> Layer:
    weight, source, result = (shapes[n] for n in (node.input[1], node.input[0], node.output[0]))
    name = node.input[1].removesuffix(".weight")
    if node.op_type == "BatchNormalization":
        return Layer(name, source[1], source[1], 1, 0, 2 * source[1])
    attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    groups = int(attributes.get("group", 1))
    macs = prod(weight) * prod(result[2:])
    return Layer(name, source[1], result[1], groups, macs, prod(weight) + result[1])


def _shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    # Large weights become inputs, because inference would copy them.
    light = onnx.ModelProto(ir_version=model.ir_version, opset_import=model.opset_import)
    light.graph.name = model.graph.name
    light.graph.node.extend(model.graph.node)
    light.graph.input.extend(model.graph.input)
    light.graph.output.extend(model.graph.output)
    for tensor in model.graph.initializer:
        if prod(tensor.dims) <= _MAX_INFERRED_SIZE:
            light.graph.initializer.append(tensor)
        else:
            value = helper.make_tensor_value_info(tensor.name, tensor.data_type, tensor.dims)
            light.graph.input.append(value)
    graph = shape_inference.infer_shapes(light, strict_mode=True, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in model.graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    return shapes
