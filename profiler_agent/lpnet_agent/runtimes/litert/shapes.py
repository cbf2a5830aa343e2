"""Flattening, concatenation, and arithmetic of two tensors."""

from __future__ import annotations

from math import prod

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.runtimes.graph import Node
from lpnet_agent.runtimes.litert.activations import fused
from lpnet_agent.runtimes.litert.lowering import TO_FIRST, TO_LAST, Code, Lowering, unsupported

_ARITHMETIC = {"Add": (Code.ADD, schema.AddOptionsT), "Mul": (Code.MUL, schema.MulOptionsT)}


def flatten(lowering: Lowering, node: Node) -> None:
    """RESHAPE, for a Reshape that flattens too.

    ONNX flattens (channels, height, width): the linear layers that read it get their weights in
    the order that lies here, for anyone else a TRANSPOSE comes first.
    """
    shape = lowering.shape(node, node.inputs[0])
    name, tensor = node.outputs[0], lowering.source(node)
    flat = (shape[0], prod(shape[1:]))
    if lowering.shape(node, name) != flat:
        raise unsupported(node, "only to (batch, features)")
    if len(shape) == 4 and shape[1] > 1 and shape[2] * shape[3] > 1:
        if _only_linear(lowering, name):
            lowering.flatten(name, shape[1:])
        else:
            order = np.array(TO_FIRST, dtype=np.int32)
            tensor = lowering.step(
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


def arithmetic(lowering: Lowering, node: Node) -> None:
    """ADD and MUL of two tensors of as many dimensions, or of a tensor and a constant."""
    code, kind = _ARITHMETIC[node.op]
    options = kind()
    inputs = [_operand(lowering, node, place) for place in (0, 1)]
    options.fusedActivationFunction, name = fused(lowering, node.outputs[0])
    lowering.emit(node, name, code, inputs, options)


def concat(lowering: Lowering, node: Node) -> None:
    """CONCATENATION of channels or features."""
    rank = len(lowering.shape(node, node.outputs[0]))
    if int(node.attributes["axis"]) not in (1, 1 - rank):
        raise unsupported(node, "only of channels or features")
    options = schema.ConcatenationOptionsT()
    options.axis = rank - 1
    inputs = [lowering.source(node, place) for place in range(len(node.inputs))]
    lowering.emit(node, node.outputs[0], Code.CONCATENATION, inputs, options)


def identity(lowering: Lowering, node: Node) -> None:
    """No op: the tensor has one more name."""
    lowering.alias(node.outputs[0], lowering.source(node))


def _operand(lowering: Lowering, node: Node, place: int) -> int:
    name, made = node.inputs[place], node.outputs[0]
    rank = len(lowering.shape(node, made))
    if lowering.value(node, place) is None:
        if len(lowering.shape(node, name)) != rank:
            raise unsupported(node, f"{name!r} has fewer dimensions than {made!r}")
        return lowering.source(node, place)
    value = lowering.parameter(node, place)
    value = value.reshape((1,) * (rank - value.ndim) + value.shape)
    return lowering.constant(name, value.transpose(TO_LAST) if rank == 4 else value)


def _only_linear(lowering: Lowering, name: str) -> bool:
    readers = lowering.readers(name)
    return not lowering.leaves(name) and all(
        reader.op == "Gemm" and reader.inputs.index(name) == 0 for reader in readers
    )
