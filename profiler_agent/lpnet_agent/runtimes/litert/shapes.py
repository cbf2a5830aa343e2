"""Flattening, concatenation, slices, and arithmetic of two tensors."""

from __future__ import annotations

from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.runtimes.graph import OnnxNode
from lpnet_agent.runtimes.litert.activations import fuse_activation
from lpnet_agent.runtimes.litert.lowering import TO_NCHW, TO_NHWC, Code, Lowering, unsupported

_ARITHMETIC = {"Add": (Code.ADD, schema.AddOptionsT), "Mul": (Code.MUL, schema.MulOptionsT)}


def flatten(lowering: Lowering, node: OnnxNode) -> None:
    """RESHAPE, also for a Reshape that flattens.

    ONNX flattens (channels, height, width). If only linear layers read the result, their weights
    are reordered to match the file; otherwise a TRANSPOSE comes first.
    """
    shape = lowering.shape(node, node.inputs[0])
    name, tensor = node.outputs[0], lowering.input_tensor(node)
    flat = (shape[0], prod(shape[1:]))
    if lowering.shape(node, name) != flat:
        raise unsupported(node, "only flattening to (batch, features) is supported")
    if len(shape) == 4 and shape[1] > 1 and shape[2] * shape[3] > 1:
        if _only_linear(lowering, name):
            lowering.mark_flattened(name, shape[1:])
        else:
            order = np.array(TO_NCHW, dtype=np.int32)
            tensor = lowering.add_op(
                f"{name}/transposed",
                shape,
                Code.TRANSPOSE,
                [tensor, lowering.constant(f"{name}/order", order)],
                schema.TransposeOptionsT(),
            )
    target = np.array(flat, dtype=np.int32)
    options = schema.ReshapeOptionsT()
    options.newShape = target
    inputs = [tensor, lowering.constant(f"{name}/shape", target)]
    lowering.emit(node, name, Code.RESHAPE, inputs, options)


def arithmetic(lowering: Lowering, node: OnnxNode) -> None:
    code, kind = _ARITHMETIC[node.op]
    options = kind()
    inputs = [_operand(lowering, node, index) for index in (0, 1)]
    options.fusedActivationFunction, name = fuse_activation(lowering, node.outputs[0])
    lowering.emit(node, name, code, inputs, options)


def concat(lowering: Lowering, node: OnnxNode) -> None:
    rank = len(lowering.shape(node, node.outputs[0]))
    if int(node.attributes["axis"]) not in (1, 1 - rank):
        raise unsupported(node, "only concatenation of channels or features is supported")
    options = schema.ConcatenationOptionsT()
    options.axis = rank - 1
    inputs = [lowering.input_tensor(node, index) for index in range(len(node.inputs))]
    lowering.emit(node, node.outputs[0], Code.CONCATENATION, inputs, options)


def strided_slice(lowering: Lowering, node: OnnxNode) -> None:
    shape = lowering.shape(node, node.inputs[0])
    rank = len(shape)
    starts, stops = _integers(lowering, node, 1), _integers(lowering, node, 2)
    if starts is None or stops is None:
        raise unsupported(node, "its bounds are not constant")
    axes = _integers(lowering, node, 3) or [*range(len(starts))]
    steps = _integers(lowering, node, 4) or [1] * len(starts)
    cuts = [(0, side, 1) for side in shape]
    for axis, start, stop, step in zip(axes, starts, stops, steps, strict=True):
        if step < 1:
            raise unsupported(node, "it runs backwards")
        cuts[axis % rank] = slice(start, stop, step).indices(shape[axis % rank])
    order = TO_NHWC if rank == 4 else range(rank)
    name = node.outputs[0]
    bounds = [
        lowering.constant(f"{name}/{label}", np.array([cuts[a][i] for a in order], np.int32))
        for i, label in enumerate(("begin", "end", "strides"))
    ]
    inputs = [lowering.input_tensor(node), *bounds]
    lowering.emit(node, name, Code.STRIDED_SLICE, inputs, schema.StridedSliceOptionsT())


def identity(lowering: Lowering, node: OnnxNode) -> None:
    lowering.alias(node.outputs[0], lowering.input_tensor(node))


def _operand(lowering: Lowering, node: OnnxNode, index: int) -> int:
    name, output = node.inputs[index], node.outputs[0]
    rank = len(lowering.shape(node, output))
    if lowering.constant_input(node, index) is None:
        if len(lowering.shape(node, name)) != rank:
            raise unsupported(node, f"{name!r} has fewer dimensions than {output!r}")
        return lowering.input_tensor(node, index)
    value = lowering.parameter(node, index)
    value = value.reshape((1,) * (rank - value.ndim) + value.shape)
    return lowering.constant(name, value.transpose(TO_NHWC) if rank == 4 else value)


def _integers(lowering: Lowering, node: OnnxNode, index: int) -> list[int] | None:
    """A constant input; None for one that is absent. Raises RuntimeFailed for a computed one."""
    if node.optional_input(index) is None:
        return None
    value = lowering.constant_input(node, index)
    if value is None:
        raise unsupported(node, f"its input {node.inputs[index]!r} is not constant")
    return [int(number) for number in value.reshape(-1)]


def _only_linear(lowering: Lowering, name: str) -> bool:
    readers = lowering.readers(name)
    return not lowering.is_output(name) and all(
        reader.op == "Gemm" and reader.inputs.index(name) == 0 for reader in readers
    )
