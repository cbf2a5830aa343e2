"""A .tflite file, as it is put together: tensors, constants and ops, and then its bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.runtimes.base import Array

_VERSION = 3
_IDENTIFIER = b"TFL3"
# LiteRT reads constants where they lie, and its schema wants them so.
_ALIGNMENT = 16
# The field for codes that came first holds a byte.
_PLACEHOLDER = 127
_KINDS = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
}


@dataclass
class File:
    """Tensors are known by their index, which is what adding one returns."""

    _tensors: list[Any] = field(default_factory=list)
    # The first buffer is that of all tensors without one.
    _buffers: list[_Buffer] = field(default_factory=lambda: [_Buffer(None)])
    _operators: list[Any] = field(default_factory=list)
    _codes: dict[tuple[int, int], int] = field(default_factory=dict)

    def tensor(self, name: str, shape: Sequence[int]) -> int:
        """A float32 tensor that an op or the user fills."""
        return self._add(name, shape, schema.TensorType.FLOAT32, 0)

    def constant(self, name: str, value: Array) -> int:
        """A float32 or int32 tensor that is part of the file."""
        self._buffers.append(_Buffer(value))
        return self._add(name, value.shape, _KINDS[value.dtype], len(self._buffers) - 1)

    def op(
        self, code: int, inputs: Sequence[int], output: int, options: Any, version: int
    ) -> None:
        """An op; those before it are executed before it. `options` are None, or of the schema."""
        made = schema.OperatorT()
        made.opcodeIndex = self._codes.setdefault((code, version), len(self._codes))
        made.inputs = np.array(inputs, dtype=np.int32)
        made.outputs = np.array([output], dtype=np.int32)
        if options is not None:
            union = type(options).__name__.removesuffix("T")
            made.builtinOptionsType = getattr(schema.BuiltinOptions, union)
            made.builtinOptions = options
        self._operators.append(made)

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Raises flatbuffers.builder.BuilderSizeError for more than a file can hold: 2 GiB."""
        graph = schema.SubGraphT()
        graph.tensors = self._tensors
        graph.operators = self._operators
        graph.inputs = np.array(inputs, dtype=np.int32)
        graph.outputs = np.array(outputs, dtype=np.int32)
        model = schema.ModelT()
        model.version = _VERSION
        model.description = "lpnet"
        model.operatorCodes = [_code(*each) for each in self._codes]
        model.subgraphs = [graph]
        model.buffers = self._buffers
        builder = flatbuffers.Builder(self._size())
        builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
        return bytes(memoryview(builder.Bytes)[builder.Head() :])

    def _add(self, name: str, shape: Sequence[int], kind: int, buffer: int) -> int:
        made = schema.TensorT()
        made.name = name
        made.shape = np.array(shape, dtype=np.int32)
        made.type = kind
        made.buffer = buffer
        self._tensors.append(made)
        return len(self._tensors) - 1

    def _size(self) -> int:
        """About what it comes to: a builder that has to grow copies everything."""
        entries = len(self._tensors) + len(self._operators) + len(self._buffers)
        return sum(each.size for each in self._buffers) + 512 * (entries + 1)


@dataclass(frozen=True)
class _Buffer:
    """A buffer as the schema's classes pack it, but aligned."""

    value: Array | None

    @property
    def size(self) -> int:
        return 0 if self.value is None else self.value.nbytes

    def Pack(self, builder: Any) -> int:
        data = None
        if self.value is not None:
            content = self.value.tobytes()
            builder.Prep(_ALIGNMENT, len(content))
            data = builder.CreateByteVector(content)
        schema.BufferStart(builder)
        if data is not None:
            schema.BufferAddData(builder, data)
        packed: int = schema.BufferEnd(builder)
        return packed


def _code(code: int, version: int) -> Any:
    made = schema.OperatorCodeT()
    made.builtinCode = code
    made.deprecatedBuiltinCode = min(code, _PLACEHOLDER)
    made.version = version
    return made
