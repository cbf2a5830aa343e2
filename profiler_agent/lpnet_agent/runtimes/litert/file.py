"""Builds a .tflite file from tensors, constants and ops."""

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
# LiteRT uses constants in place, and its schema requires this alignment.
_ALIGNMENT = 16
# The older field for op codes holds a byte; this value refers to the newer field.
_PLACEHOLDER = 127
_TYPES = {
    np.dtype(np.float32): schema.TensorType.FLOAT32,
    np.dtype(np.int32): schema.TensorType.INT32,
}


@dataclass
class TfliteFile:
    """Tensors are identified by their index, which the methods that add one return."""

    _tensors: list[Any] = field(default_factory=list)
    # The first buffer is shared by all tensors without content.
    _buffers: list[_Buffer] = field(default_factory=lambda: [_Buffer(None)])
    _operators: list[Any] = field(default_factory=list)
    _codes: dict[tuple[int, int], int] = field(default_factory=dict)

    def tensor(self, name: str, shape: Sequence[int]) -> int:
        """A float32 tensor that an op or the user fills."""
        return self._add(name, shape, schema.TensorType.FLOAT32, 0)

    def constant(self, name: str, value: Array) -> int:
        self._buffers.append(_Buffer(value))
        return self._add(name, value.shape, _TYPES[value.dtype], len(self._buffers) - 1)

    def op(
        self, code: int, inputs: Sequence[int], output: int, options: Any, version: int
    ) -> None:
        """An op, executed after those added before. `options` are of the schema, or None."""
        operator = schema.OperatorT()
        operator.opcodeIndex = self._codes.setdefault((code, version), len(self._codes))
        operator.inputs = np.array(inputs, dtype=np.int32)
        operator.outputs = np.array([output], dtype=np.int32)
        if options is not None:
            union = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, union)
            operator.builtinOptions = options
        self._operators.append(operator)

    def finish(self, inputs: Sequence[int], outputs: Sequence[int]) -> bytes:
        """Raises flatbuffers.builder.BuilderSizeError above the maximum size of 2 GiB."""
        graph = schema.SubGraphT()
        graph.tensors = self._tensors
        graph.operators = self._operators
        graph.inputs = np.array(inputs, dtype=np.int32)
        graph.outputs = np.array(outputs, dtype=np.int32)
        model = schema.ModelT()
        model.version = _VERSION
        model.description = "lpnet"
        model.operatorCodes = [_operator_code(code, version) for code, version in self._codes]
        model.subgraphs = [graph]
        model.buffers = self._buffers
        builder = flatbuffers.Builder(self._estimated_bytes())
        builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
        return bytes(memoryview(builder.Bytes)[builder.Head() :])

    def _add(self, name: str, shape: Sequence[int], type_: int, buffer: int) -> int:
        tensor = schema.TensorT()
        tensor.name = name
        tensor.shape = np.array(shape, dtype=np.int32)
        tensor.type = type_
        tensor.buffer = buffer
        self._tensors.append(tensor)
        return len(self._tensors) - 1

    def _estimated_bytes(self) -> int:
        # A builder that has to grow copies everything.
        entries = len(self._tensors) + len(self._operators) + len(self._buffers)
        return sum(buffer.size for buffer in self._buffers) + 512 * (entries + 1)


@dataclass(frozen=True)
class _Buffer:
    """Packs itself like a buffer of the schema, but aligned."""

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


def _operator_code(code: int, version: int) -> Any:
    operator_code = schema.OperatorCodeT()
    operator_code.builtinCode = code
    operator_code.deprecatedBuiltinCode = min(code, _PLACEHOLDER)
    operator_code.version = version
    return operator_code
