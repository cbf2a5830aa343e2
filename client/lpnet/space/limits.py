"""What an ONNX file may hold: a space file may come from anybody.

Small in bytes, it may be large in memory (an empty node takes 2 bytes there and about 100 here),
and a graph can make whoever reads it work for hours. So there are limits on bytes, nodes, tensors,
names and numbers, far above those of any network that can be measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

import onnx

from lpnet.errors import FileFormatError

MOST_BYTES = 8 << 20
MOST_NODES = 4096
MOST_WIDTHS = 4096
MOST_SEGMENTS = 1024
# Rows times columns: of the table from widths to channels, and of what all axes are made of.
MOST_TABLE = 4_000_000
MOST_ALL_SEGMENTS = 200_000
# A file of them would be larger than ONNX files can be.
MOST_PARAMETERS = 500_000_000
LONGEST_NAME = 500
_PER_NODE = 64
_RANK = 8
_MOST_CONSTANT = 100_000


def check_bytes(data: bytes) -> None:
    """Raises FileFormatError for more bytes than a space file may have."""
    if len(data) > MOST_BYTES:
        raise FileFormatError(f"not a space file: it has more than {MOST_BYTES >> 20} MiB")


def check_graph(model: onnx.ModelProto) -> None:
    """Raises FileFormatError, saying what there is too much of, or what no space has."""
    graph = model.graph
    for what, found in (
        ("functions", model.functions),
        ("training", model.training_info),
        ("sparse weights", graph.sparse_initializer),
    ):
        if len(found):
            raise FileFormatError(f"not a space file: it holds {what}")
    for what, found, most in (
        ("nodes", graph.node, MOST_NODES),
        ("inputs", graph.input, 4 * MOST_NODES),
        ("outputs", graph.output, 1),
        ("constants", graph.initializer, 4 * MOST_NODES),
        ("metadata", model.metadata_props, _PER_NODE),
    ):
        if len(found) > most:
            raise FileFormatError(f"not a space file: {len(found)} {what}, {most} at most")
    outside = external(model)
    if outside is not None:
        raise FileFormatError(f"not a space file: tensor {outside!r} lies in another file")
    for node in graph.node:
        _check_node(node)
    _check_names(value.name for value in graph.input)
    for value in graph.input:
        _check_shape(value.name, value.type.tensor_type.shape.dim)
    for tensor in graph.initializer:
        _check_shape(tensor.name, tensor.dims)
        if not all(side >= 0 for side in tensor.dims) or prod(tensor.dims) > _MOST_CONSTANT:
            raise FileFormatError(f"not a space file: constant {tensor.name!r} is too large")


def _check_node(node: onnx.NodeProto) -> None:
    lists = (node.input, node.output, node.attribute, node.metadata_props)
    if any(len(found) > _PER_NODE for found in lists):
        raise FileFormatError(f"not a space file: node {node.name[:60]!r} has too many parts")
    _check_names((node.name, *node.input, *node.output))
    for attribute in node.attribute:
        if attribute.type not in _PLAIN:
            raise FileFormatError(
                f"not a space file: attribute {attribute.name[:60]!r} of node "
                f"{node.name[:60]!r} is neither a number nor a word"
            )
        if max(len(attribute.ints), len(attribute.floats), len(attribute.strings)) > _PER_NODE:
            raise FileFormatError(f"not a space file: attribute {attribute.name[:60]!r} is long")


_PLAIN = frozenset(
    getattr(onnx.AttributeProto, name)
    for name in ("INT", "INTS", "FLOAT", "FLOATS", "STRING", "STRINGS")
)


def _check_names(names: Iterable[str | bytes]) -> None:
    for name in names:
        if len(name) > LONGEST_NAME:
            raise FileFormatError(
                f"not a space file: a name has more than {LONGEST_NAME} characters"
            )


def _check_shape(name: str, sides: Any) -> None:
    if len(sides) > _RANK:
        raise FileFormatError(f"not a space file: {name[:60]!r} has {len(sides)} axes")


def external(model: onnx.ModelProto) -> str | None:
    """The name of a tensor whose data lies in another file, wherever it is in the model."""
    for tensor in _tensors(model):
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            return str(tensor.name)
    return None


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    graphs = [model.graph]
    for training in model.training_info:
        graphs += [training.initialization, training.algorithm]
    nodes = [node for function in model.functions for node in function.node]
    while graphs or nodes:
        if not nodes:
            graph = graphs.pop()
            yield from graph.initializer
            yield from _sparse(graph.sparse_initializer)
            nodes.extend(graph.node)
            continue
        for attribute in nodes.pop().attribute:
            yield from (attribute.t, *attribute.tensors)
            yield from _sparse((attribute.sparse_tensor, *attribute.sparse_tensors))
            graphs += [attribute.g, *attribute.graphs]


def _sparse(found: Iterable[onnx.SparseTensorProto]) -> Iterator[onnx.TensorProto]:
    for one in found:
        yield from (one.values, one.indices)
