"""Limits on the content of space files, which may come from an untrusted sender.

A small file may be large in memory: an empty node takes 2 bytes in a file and about 100 in memory.
Reading a graph may also take hours. So bytes, nodes, tensors, names and numbers are limited, far
above the numbers of any network that can be measured.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from math import prod
from typing import Any

import onnx

from lpnet.errors import FileFormatError

MAX_BYTES = 8 << 20
MAX_NODES = 4096
MAX_WIDTHS = 4096
MAX_SEGMENTS = 1024
# Rows times columns of the op table, and segments of all axes together.
MAX_TABLE = 4_000_000
MAX_ALL_SEGMENTS = 200_000
# More would exceed the size limit of ONNX files.
MAX_PARAMETERS = 500_000_000
MAX_NAME_LENGTH = 500
_MAX_PER_NODE = 64
_MAX_RANK = 8
# Values of a constant as numbers, and of one that is stored as runs of values.
MAX_CONSTANT = 100_000
MAX_ARRAY = 4_000_000


def check_bytes(data: bytes) -> None:
    """Raises FileFormatError for more bytes than a space file may have."""
    if len(data) > MAX_BYTES:
        raise FileFormatError(f"not a space file: larger than {MAX_BYTES >> 20} MiB")


def check_graph(model: onnx.ModelProto) -> None:
    """Raises FileFormatError if a graph exceeds a limit or holds parts that no space has."""
    graph = model.graph
    for kind, parts in (
        ("functions", model.functions),
        ("training", model.training_info),
        ("sparse weights", graph.sparse_initializer),
    ):
        if len(parts):
            raise FileFormatError(f"not a space file: it holds {kind}")
    for kind, parts, limit in (
        ("nodes", graph.node, MAX_NODES),
        ("inputs", graph.input, 4 * MAX_NODES),
        ("outputs", graph.output, _MAX_PER_NODE),
        ("constants", graph.initializer, 4 * MAX_NODES),
        ("metadata", model.metadata_props, _MAX_PER_NODE),
    ):
        if len(parts) > limit:
            raise FileFormatError(f"not a space file: {len(parts)} {kind}, the limit is {limit}")
    tensor_name = external_tensor(model)
    if tensor_name is not None:
        raise FileFormatError(f"not a space file: tensor {tensor_name!r} is in another file")
    for node in graph.node:
        _check_node(node)
    _check_names(value.name for value in graph.input)
    for value in graph.input:
        _check_shape(value.name, value.type.tensor_type.shape.dim)
    for tensor in graph.initializer:
        _check_shape(tensor.name, tensor.dims)
        if not all(side >= 0 for side in tensor.dims) or prod(tensor.dims) > MAX_CONSTANT:
            raise FileFormatError(f"not a space file: constant {tensor.name!r} is too large")


def _check_node(node: onnx.NodeProto) -> None:
    lists = (node.input, node.output, node.attribute, node.metadata_props)
    if any(len(parts) > _MAX_PER_NODE for parts in lists):
        raise FileFormatError(f"not a space file: node {node.name[:60]!r} has too many parts")
    _check_names((node.name, *node.input, *node.output))
    for attribute in node.attribute:
        if attribute.type not in _PLAIN:
            raise FileFormatError(
                f"not a space file: attribute {attribute.name[:60]!r} of node "
                f"{node.name[:60]!r} is neither a number nor a text"
            )
        if max(len(attribute.ints), len(attribute.floats), len(attribute.strings)) > _MAX_PER_NODE:
            raise FileFormatError(
                f"not a space file: attribute {attribute.name[:60]!r} is too long"
            )


_PLAIN = frozenset(
    getattr(onnx.AttributeProto, name)
    for name in ("INT", "INTS", "FLOAT", "FLOATS", "STRING", "STRINGS")
)


def _check_names(names: Iterable[str | bytes]) -> None:
    for name in names:
        if len(name) > MAX_NAME_LENGTH:
            raise FileFormatError(
                f"not a space file: a name is longer than {MAX_NAME_LENGTH} characters"
            )


def _check_shape(name: str, sides: Any) -> None:
    if len(sides) > _MAX_RANK:
        raise FileFormatError(f"not a space file: {name[:60]!r} has {len(sides)} axes")


def external_tensor(model: onnx.ModelProto) -> str | None:
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


def _sparse(tensors: Iterable[onnx.SparseTensorProto]) -> Iterator[onnx.TensorProto]:
    for tensor in tensors:
        yield from (tensor.values, tensor.indices)
