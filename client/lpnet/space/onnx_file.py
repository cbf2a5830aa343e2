"""Writing a network into an ONNX file weight by weight, so that it is never whole in memory.

An ONNX file is a protobuf message, and protobuf merges messages that follow each other. So the
file holds the network without weights, and then, for each weight, a network with only that weight.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import BinaryIO

import onnx

# Numbers of length-delimited fields in onnx.proto.
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9


def write(file: BinaryIO, model: onnx.ModelProto) -> None:
    """Write a network without the weights that `append` adds."""
    file.write(model.SerializeToString())


def append(file: BinaryIO, name: str, shape: Sequence[int], chunks: Iterable[bytes]) -> None:
    """Add a float32 weight, whose values are `chunks`, to the network in a file."""
    head = onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=shape)
    values = 4 * prod(shape)
    tensor = head.SerializeToString() + _field_header(_RAW_DATA, values)
    initializer = _field_header(_INITIALIZER, len(tensor) + values)
    file.write(_field_header(_GRAPH, len(initializer) + len(tensor) + values))
    file.write(initializer)
    file.write(tensor)
    file.writelines(chunks)


def _field_header(field: int, length: int) -> bytes:
    return bytes((*_varint(field << 3 | 2), *_varint(length)))


def _varint(number: int) -> Iterator[int]:
    while number > 127:
        yield number & 127 | 128
        number >>= 7
    yield number
