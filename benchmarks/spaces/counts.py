"""Counting multiply-accumulates without lpnet: with torch's counter, and in an ONNX model."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from math import prod

import onnx
import torch
from onnx import shape_inference
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.spaces.networks import Example, call


def macs(model: nn.Module, example: Example) -> int:
    """Multiply-accumulates of convolutions and matrix products, for an input of the batch."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    counter = FlopCounterMode(display=False)
    # The counter wants a gradient function of every input that needs a gradient.
    plain = copy.deepcopy(model).requires_grad_(False)
    try:
        # As plain products: the counter does not know each fused kernel.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), counter:
            call(plain, example)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    first = next(iter(example.values())) if isinstance(example, Mapping) else example
    return int(counter.get_total_flops()) // 2 // len(first)


def onnx_macs(model: onnx.ModelProto) -> int:
    """Multiply-accumulates of convolutions and matrix products in an ONNX model, by its shapes.

    What depends on no input is not counted: a runtime computes it once.
    """
    graph = shape_inference.infer_shapes(model, data_prop=True).graph
    shapes = {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}
    for value in (*graph.input, *graph.value_info, *graph.output):
        shapes[value.name] = tuple(d.dim_value for d in value.type.tensor_type.shape.dim)
    weights = {tensor.name for tensor in graph.initializer}
    varying = {value.name for value in graph.input} - weights
    total = 0
    for node in graph.node:
        # The second input of a CastLike is only a type.
        read = node.input[:1] if node.op_type == "CastLike" else node.input
        if varying.intersection(read):
            varying.update(node.output)
            total += _node_macs(node, shapes)
    return total


def _node_macs(node: onnx.NodeProto, shapes: Mapping[str, tuple[int, ...]]) -> int:
    if node.op_type == "Einsum":
        equation = next(a.s.decode() for a in node.attribute if a.name == "equation")
        terms = equation.replace(" ", "").partition("->")[0].split(",")
        sides = {
            letter: side
            for term, name in zip(terms, node.input, strict=True)
            for letter, side in zip(term, shapes[name], strict=True)
        }
        return prod(sides.values()) if len(terms) > 1 else 0
    if node.op_type not in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
        return 0
    first, second, result = (shapes[n] for n in (node.input[0], node.input[1], node.output[0]))
    if node.op_type == "Conv":
        count = prod(result) * prod(second[1:])
    elif node.op_type == "ConvTranspose":
        count = prod(first) * prod(second[1:])
    else:
        count = prod(result) * _summed(node, first, second)
    if not count:
        # Inference gives 0 for a side that depends on numbers.
        raise ValueError(f"the sides of {node.op_type} {node.name} are not known")
    return count


def _summed(node: onnx.NodeProto, first: tuple[int, ...], second: tuple[int, ...]) -> int:
    """The side over which a product sums, from the input where it is known."""
    flags = {attribute.name for attribute in node.attribute if attribute.i}
    inner = -1 if "transB" in flags or len(second) == 1 else -2
    return max(first[0 if "transA" in flags else -1], second[inner])
