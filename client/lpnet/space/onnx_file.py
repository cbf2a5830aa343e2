"""Writing a network into an ONNX file weight by weight, so that it is never whole in memory.

An ONNX file is one protobuf message, and protobuf joins what a file holds of a message in several
places: behind the network without its weights follows, for each weight, a network that holds
nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from math import prod
from typing import BinaryIO

import onnx

# Fields in onnx.proto, each of which holds a number of bytes.
_GRAPH, _INITIALIZER, _RAW_DATA = 7, 5, 9


def write(file: BinaryIO, model: onnx.ModelProto) -> None:
    """The network without the weights that `append` adds."""
    file.write(model.SerializeToString())


def append(file: BinaryIO, name: str, shape: Sequence[int], pieces: Iterable[bytes]) -> None:
    """Add a float32 weight, whose values come in pieces, to the network in a file."""
    head = onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=shape)
    values = 4 * prod(shape)
    tensor = head.SerializeToString() + _opening(_RAW_DATA, values)
    initializer = _opening(_INITIALIZER, len(tensor) + values)
    file.write(_opening(_GRAPH, len(initializer) + len(tensor) + values))
    file.write(initializer)
    file.write(tensor)
    file.writelines(pieces)


def _opening(field: int, length: int) -> bytes:
    """What stands before the bytes of a field."""
    return bytes((*_varint(field << 3 | 2), *_varint(length)))


def _varint(number: int) -> Iterator[int]:
    while number > 127:
        yield number & 127 | 128
        number >>= 7
    yield number
