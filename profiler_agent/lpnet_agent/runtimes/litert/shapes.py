"""Flattening, concatenation, and arithmetic of two tensors."""

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


def _only_linear(lowering: Lowering, name: str) -> bool:
    readers = lowering.readers(name)
    return not lowering.is_output(name) and all(
        reader.op == "Gemm" and reader.inputs.index(name) == 0 for reader in readers
    )
