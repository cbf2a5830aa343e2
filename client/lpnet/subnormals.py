"""Subnormal weights of an ONNX network, on which many CPUs compute many times slower."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

# bfloat16 has the exponents of float32, so its subnormals remain subnormal when it is widened.
_SLOW_TYPES: dict[int, str] = {
    TensorProto.FLOAT: "float32",
    TensorProto.DOUBLE: "float64",
    TensorProto.BFLOAT16: "bfloat16",
}
# Half precision is widened before it is computed with, and its subnormals then are normal.
_TYPES: dict[int, str] = _SLOW_TYPES | {TensorProto.FLOAT16: "float16"}
_MAX_NAMES = 3


@dataclass(frozen=True)
class TensorSubnormals:
    """A weight tensor: its name and element type, `count` subnormal weights of `size`."""

    name: str
    type: str
    count: int
    size: int

    @property
    def pct(self) -> float:
        return 100 * self.count / self.size


@dataclass(frozen=True)
class Subnormals:
    """How many weights of a network are subnormal.

    `count` of `size` weights are, without float16. `tensors` are those that have any, also in
    float16, those with the most subnormal weights first.
    """

    count: int
    size: int
    tensors: tuple[TensorSubnormals, ...]

    @property
    def pct(self) -> float:
        """Their share of the weights that are not float16, in percent."""
        return 100 * self.count / self.size if self.size else 0.0

    def facts(self) -> dict[str, Any]:
        """The same as JSON."""
        tensors = [
            {"name": t.name, "type": t.type, "count": t.count, "pct": significant(t.pct)}
            for t in self.tensors
        ]
        return {"count": self.count, "pct": significant(self.pct), "tensors": tensors}


def iter_tensors(message: Any) -> Iterator[onnx.TensorProto]:
    """All tensors in a model or graph: weights, and attributes of nodes, also in subgraphs."""
    if isinstance(message, onnx.TensorProto):
        yield message
        return
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in (value,) if hasattr(value, "ListFields") else value:
                yield from iter_tensors(part)


def count_subnormals(model: onnx.ModelProto) -> Subnormals:
    tensors = []
    size = 0
    for tensor, values in _weights(model, _TYPES):
        kind = _TYPES[tensor.data_type]
        size += values.size if tensor.data_type in _SLOW_TYPES else 0
        if count := int(np.count_nonzero(_is_subnormal(values))):
            tensors.append(TensorSubnormals(tensor.name or "constant", kind, count, values.size))
    tensors.sort(key=lambda tensor: -tensor.count)
    count = sum(tensor.count for tensor in tensors if tensor.type != "float16")
    return Subnormals(count, size, tuple(tensors))


def zero_subnormals(model: onnx.ModelProto) -> None:
    """Set every subnormal weight to zero, in place. Weights in float16 remain."""
    for tensor, values in _weights(model, _SLOW_TYPES):
        subnormal = _is_subnormal(values)
        if subnormal.any():
            kept = np.where(subnormal, np.zeros((), values.dtype), values)
            tensor.CopyFrom(numpy_helper.from_array(kept, tensor.name))


def format_share(facts: Mapping[str, Any]) -> str:
    """The share, and the tensors that hold the most, for people. `facts`: `Subnormals.facts`."""
    tensors = [tensor for tensor in facts["tensors"] if tensor["type"] != "float16"]
    names = ", ".join(f"{t['name']} ({_percent(t['pct'])} of it)" for t in tensors[:_MAX_NAMES])
    others = f" and {len(tensors) - _MAX_NAMES} more" if len(tensors) > _MAX_NAMES else ""
    return (
        f"{_percent(facts['pct'])} of the weights are subnormal (below 1.2e-38), in "
        f"{names}{others}"
    )


def significant(value: float) -> float:
    """The value with four significant digits: a share in percent may be tiny, and matters."""
    return float(f"{value:.4g}")


def _percent(value: float) -> str:
    return f"{value:.1f}%" if value >= 0.1 else "under 0.1%"


def _weights(
    model: onnx.ModelProto, types: dict[int, str]
) -> Iterator[tuple[onnx.TensorProto, NDArray[Any]]]:
    for tensor in iter_tensors(model):
        if tensor.data_type not in types:
            continue
        try:
            values = numpy_helper.to_array(tensor)
        except ValueError:  # damaged, which the runtime reports
            continue
        if values.size:
            yield tensor, values


def _is_subnormal(values: NDArray[Any]) -> NDArray[np.bool_]:
    known = values.dtype.kind == "f"  # not numpy's bfloat16
    smallest_normal = np.finfo(values.dtype if known else np.float32).tiny
    wide = values if known else values.astype(np.float32)
    is_subnormal: NDArray[np.bool_] = (wide != 0) & (np.abs(wide) < smallest_normal)
    return is_subnormal
