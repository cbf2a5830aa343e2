"""Reading what adds, flattens, or does nothing."""

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
    if _neutral(builder, node, 0.0):
        return
    left, right = builder.source(node, 0), builder.source(node, 1)
    if left.shape != right.shape:
        shapes = f"{[*left.shape]} and {[*right.shape]}"
        raise unsupported(node, f"only equal shapes are added, not {shapes}")
    builder.emit(node, Node(node.path, "add", (left.index, right.index)), left.shape)


def multiply(builder: Builder, node: RawNode) -> None:
    if not _neutral(builder, node, 1.0):
        activations.multiply(builder, node)


def _neutral(builder: Builder, node: RawNode, neutral: float) -> bool:
    """Whether a node adds 0 or multiplies by 1, as exported activations do."""
    for place in (0, 1):
        if (
            node.inputs[place] in builder.values
            and builder.raw.scalar(node.inputs[1 - place]) == neutral
        ):
            builder.rename(node, builder.source(node, place), place)
            return True
    return False


def reshape(builder: Builder, node: RawNode) -> None:
    """Reshapes in a row count as one. What is neither a flatten nor nothing is kept in mind, and
    refused as soon as another op reads it."""
    value = builder.values.get(node.inputs[0])
    if value is None:
        raise unsupported(node, f"its input {node.inputs[0]!r} is not a tensor of the graph")
    before = builder.raw.input_shape if value.index == INPUT else builder.shapes[value.index]
    flat = (before[0], prod(before[1:]))
    after = builder.raw.shapes.get(node.outputs[0])
    if after is None and node.op == "Flatten" and node.attr("axis", 1) == 1:
        after = flat
    if after == before:
        builder.rename(node, replace(value, view=None, shape=before), 0)
    elif after == flat:
        builder.emit(node, Node(node.path, "flatten", (value.index,)), flat)
    else:
        builder.values[node.outputs[0]] = Value(value.index, after or before, view=node)
