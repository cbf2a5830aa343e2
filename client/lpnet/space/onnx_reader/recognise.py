"""Reading a whole ONNX graph into the normalised graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from lpnet.errors import SpaceError, UnsupportedOp
from lpnet.space.graph import INPUT, Graph
from lpnet.space.layout import Layout
from lpnet.space.onnx_reader import activations, layers, shapes
from lpnet.space.onnx_reader.builder import Builder, unsupported, unsupported_reshape
from lpnet.space.onnx_reader.general import general
from lpnet.space.onnx_reader.operands import Operands
from lpnet.space.onnx_reader.tensors import TensorAxes
from lpnet.space.raw import RawGraph, RawNode

_READERS: dict[str, Callable[[Builder, RawNode], None]] = {
    **dict.fromkeys(activations.PLAIN, activations.plain),
    "Sigmoid": activations.sigmoid,
    "Clip": activations.clip,
    "Max": activations.maximum,
    "Mul": shapes.multiply,
    "Add": shapes.add,
    "Conv": layers.conv,
    "Gemm": layers.linear,
    "BatchNormalization": layers.batch_norm,
    "MaxPool": layers.pool,
    "AveragePool": layers.pool,
    "GlobalAveragePool": layers.global_pool,
    "ReduceMean": layers.mean,
    "Identity": shapes.alias,
    "Dropout": shapes.alias,
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), shapes.reshape),
}


def recognise(raw: RawGraph) -> Graph:
    """A graph of plain ops on images. Raises UnsupportedOp, naming node and op, for another."""
    builder = Builder(raw)
    for node in raw.nodes:
        reader = _READERS.get(node.op)
        if reader is None:
            raise unsupported(node, "it is no plain op on images")
        reader(builder, node)
    _check_complete(builder)
    return _graph(builder)


def recognise_any(raw: RawGraph, axes: TensorAxes) -> tuple[Graph, Layout, dict[str, int]]:
    """A graph of any ops, and the node that computes each tensor. Raises UnsupportedOp for an op
    that holds a graph."""
    builder = Builder(raw, axes)
    for node in raw.nodes:
        if all(axes.is_static(name) for name in node.outputs if name):
            continue
        reader = _READERS.get(node.op, _no_reader)
        try:
            reader(builder, node)
        except UnsupportedOp:
            general(builder, axes, node)
    outputs = tuple(_output(builder, axes, name) for name in raw.outputs)
    inputs = tuple(axes.tensor(name) for name in raw.inputs)
    nodes = {name: value.index for name, value in builder.values.items()}
    return _graph(builder), Layout(inputs, tuple(builder.tensors), outputs), nodes


def _output(builder: Builder, axes: TensorAxes, name: str) -> int:
    index = Operands(builder, axes, _OUTPUT).tensor(name)
    if index < 0:
        raise SpaceError("an output of the model does not come from an op")
    return index


_OUTPUT = RawNode("output", "output", (), (), {}, "output")


def _no_reader(builder: Builder, node: RawNode) -> None:
    raise unsupported(node, "it is no plain op on images")


def _graph(builder: Builder) -> Graph:
    shape = builder.raw.input_shape
    if len(shape) == 4:
        return Graph(tuple(builder.nodes), shape[1], shape[2], shape[3])
    if len(shape) == 2:
        return Graph(tuple(builder.nodes), shape[1], 1, 1, flat=True)
    if builder.axes is None:
        raise SpaceError(
            f"the example input must be images (batch, channels, height, width) or features "
            f"(batch, features), got shape {[*shape]}"
        )
    return Graph(tuple(builder.nodes), shape[-1] if shape else 1, 1, 1)


def _check_complete(builder: Builder) -> None:
    output = builder.values.get(builder.raw.output)
    if output is None or output.index == INPUT:
        raise SpaceError("the output of the model does not come from an op")
    if output.view is not None:
        raise unsupported_reshape(output.view)
    used = {index for node in builder.nodes for index in node.inputs} | {output.index}
    for index, node in enumerate(builder.nodes):
        if index not in used:
            raise UnsupportedOp(node.name, node.type, "its output is not used")
    modules = Counter(m for node in builder.nodes for m in (node.module, *node.norms) if m)
    for module, count in modules.items():
        if count > 1:
            raise UnsupportedOp(module, "module", f"it is called {count} times in a forward pass")
