"""ONNX ops that compute each value from those at the same position of the inputs."""

from __future__ import annotations

import operator
from collections.abc import Callable
from functools import partial, reduce
from typing import Any

import numpy as np
import onnx
import torch
from torch import Tensor, fx, nn

from lpnet_agent.runtimes.torch.op import Op

_UNARY: dict[str, Callable[..., Any]] = {
    "Abs": torch.abs,
    "Acos": torch.acos,
    "Asin": torch.asin,
    "Atan": torch.atan,
    "Ceil": torch.ceil,
    "Cos": torch.cos,
    "Cosh": torch.cosh,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "IsNaN": torch.isnan,
    "Log": torch.log,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Reciprocal": torch.reciprocal,
    "Round": torch.round,
    "Sign": torch.sign,
    "Sin": torch.sin,
    "Sinh": torch.sinh,
    "Sqrt": torch.sqrt,
    "Tan": torch.tan,
}
_BINARY: dict[str, Callable[..., Any]] = {
    "Add": operator.add,
    "And": torch.logical_and,
    "Equal": torch.eq,
    "Greater": torch.gt,
    "GreaterOrEqual": torch.ge,
    "Less": torch.lt,
    "LessOrEqual": torch.le,
    "Mul": operator.mul,
    "Or": torch.logical_or,
    "Sub": operator.sub,
    "Xor": torch.logical_xor,
}
_LOGICAL = frozenset({"And", "Or", "Xor"})
_VARIADIC: dict[str, Callable[..., Any]] = {
    "Max": torch.maximum,
    "Min": torch.minimum,
    "Sum": operator.add,
}
_CASTS = {
    name: getattr(torch, name) for name in ("bool", "uint8", "int8", "int16", "int32", "int64")
}


def slope(x: Tensor, weight: Tensor) -> Tensor:
    """A PReLU with any shape of slopes."""
    return torch.where(x < 0, x * weight, x)


def _unary(function: Callable[..., Any], op: Op) -> fx.Node:
    return op.call(function, op.tensor())


def _binary(function: Callable[..., Any], op: Op) -> fx.Node:
    operands = op.tensors() if op.node.op in _LOGICAL else _operands(op)
    return op.call(function, *operands)


def _operands(op: Op) -> list[Any]:
    """Both inputs; a constant of one value is a number, as in a user's code."""
    return [op.tensor(i) if (n := _number(op, i)) is None else n for i in range(2)]


def _number(op: Op, index: int) -> float | int | None:
    other = 1 - index
    if not op.is_constant(index) or op.is_constant(other):
        return None
    array = op.constant(index)
    scalar = array.size == 1 and array.ndim <= len(op.input_shape(other))
    if not scalar or array.dtype == np.bool_:
        return None
    number: float | int = array.item()
    return number


def _variadic(function: Callable[..., Any], op: Op) -> fx.Node:
    return reduce(lambda left, right: op.call(function, left, right), op.tensors())


def _mean(op: Op) -> fx.Node:
    return op.call(operator.truediv, _variadic(operator.add, op), len(op.node.inputs))


def _div(op: Op) -> fx.Node:
    if op.type() == "float32":
        return op.call(operator.truediv, *_operands(op))
    return op.call(torch.div, *op.tensors(), rounding_mode="trunc")


def _pow(op: Op) -> fx.Node:
    if op.type(0) != "float32" and op.type(1) != op.type(0):
        raise op.unsupported(f"a power of {op.type(0)} to {op.type(1)}")
    return op.call(torch.pow, *_operands(op))


def _mod(op: Op) -> fx.Node:
    return op.call(torch.fmod if op.attribute("fmod", 0) else torch.remainder, *op.tensors())


def _cast(op: Op) -> fx.Node:
    op.attribute("saturate", 1)  # for 8-bit floats
    target = str(onnx.helper.tensor_dtype_to_np_dtype(op.required("to")))
    if target == "float32":
        return op.call(torch.Tensor.to, op.tensor(), op.dtype)
    if target not in _CASTS:
        raise op.unsupported(f"a cast to {target}")
    return op.call(torch.Tensor.to, op.tensor(), _CASTS[target])


def _prelu(op: Op) -> fx.Node:
    if not op.is_constant(1):
        return op.call(slope, op.tensor(0), op.tensor(1))
    weight, shape = op.weight(1), op.input_shape()
    aligned = (1,) * (len(shape) - weight.dim()) + tuple(weight.shape)
    per_channel = len(shape) > 1 and aligned == (1, shape[1], *(1,) * (len(shape) - 2))
    if weight.numel() != 1 and not per_channel:
        return op.call(slope, op.tensor(0), op.tensor(1))
    layer = nn.PReLU(weight.numel())
    layer.weight = nn.Parameter(weight.reshape(-1), requires_grad=False)
    return op.layer(layer)


FUNCTIONS: dict[str, Callable[[Op], fx.Node]] = {
    **{name: partial(_unary, function) for name, function in _UNARY.items()},
    **{name: partial(_binary, function) for name, function in _BINARY.items()},
    **{name: partial(_variadic, function) for name, function in _VARIADIC.items()},
    "Cast": _cast,
    "Div": _div,
    "Mean": _mean,
    "Mod": _mod,
    "PRelu": _prelu,
    "Pow": _pow,
    "Where": lambda op: op.call(torch.where, *op.tensors()),
}
