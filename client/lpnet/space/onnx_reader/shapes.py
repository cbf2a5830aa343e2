"""Reading ops that add, multiply, flatten or do nothing."""

from __future__ import annotations

from dataclasses import replace
from math import prod

from lpnet.space.graph import INPUT, Node
from lpnet.space.onnx_reader import activations
from lpnet.space.onnx_reader.builder import Builder, Value, unsupported
from lpnet.space.raw import RawNode


def alias(builder: Builder, node: RawNode) -> None:
    builder.rename(node, builder.source(node), 0)


def add(builder: Builder, node: RawNode) -> None:
    if _skip_neutral(builder, node, 0.0):
        return
    left, right = builder.source(node, 0), builder.source(node, 1)
    if left.shape != right.shape:
        shapes = f"{[*left.shape]} and {[*right.shape]}"
        raise unsupported(node, f"both inputs must have the same shape, got {shapes}")
    builder.emit(node, Node(node.path, "add", (left.index, right.index)), left.shape)


def multiply(builder: Builder, node: RawNode) -> None:
    if not _skip_neutral(builder, node, 1.0):
        activations.multiply(builder, node)


def _skip_neutral(builder: Builder, node: RawNode, neutral: float) -> bool:
    # Exported activations add 0 or multiply by 1.
    for position in (0, 1):
        if (
            node.inputs[position] in builder.values
            and builder.raw.scalar(node.inputs[1 - position]) == neutral
        ):
            builder.rename(node, builder.source(node, position), position)
            return True
    return False


def reshape(builder: Builder, node: RawNode) -> None:
    # Successive reshapes count as one. A reshape that is neither a flatten nor the identity is
    # recorded, and refused when another op reads it.
    value = builder.values.get(node.inputs[0])
    if value is None:
        raise unsupported(node, f"its input {node.inputs[0]!r} is not a tensor of the graph")
    if value.index < 0:
        source_shape = [*builder.raw.inputs.values()][INPUT - value.index]
    else:
        source_shape = builder.shapes[value.index]
    flat = (source_shape[0], prod(source_shape[1:]))
    shape = builder.raw.shapes.get(node.outputs[0])
    if shape is None and node.op == "Flatten" and node.attr("axis", 1) == 1:
        shape = flat
    if shape == source_shape:
        builder.rename(node, replace(value, view=None, shape=source_shape), 0)
    elif shape == flat and (builder.axes is None or len(source_shape) == 4):
        builder.emit(node, Node(node.path, "flatten", (value.index,)), flat)
    else:
        builder.values[node.outputs[0]] = Value(value.index, shape or source_shape, view=node)
