"""Reading a whole ONNX graph into the normalised graph."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from lpnet.errors import SpaceError, UnsupportedOp
from lpnet.space.graph import INPUT, Graph
from lpnet.space.onnx_reader import activations, layers, shapes
from lpnet.space.onnx_reader.builder import Builder, unsupported, unsupported_reshape
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
    """Raises UnsupportedOp, naming node and op, for anything that is not supported."""
    shape = raw.input_shape
    if len(shape) not in (2, 4):
        raise SpaceError(
            f"the example input must be images (batch, channels, height, width) or features "
            f"(batch, features), got shape {[*shape]}"
        )
    builder = Builder(raw)
    for node in raw.nodes:
        reader = _READERS.get(node.op)
        if reader is None:
            raise unsupported(node, "lpnet does not support this op")
        reader(builder, node)
    _check_complete(builder)
    h, w = (shape[2], shape[3]) if len(shape) == 4 else (1, 1)
    return Graph(tuple(builder.nodes), shape[1], h, w, flat=len(shape) == 2)


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
