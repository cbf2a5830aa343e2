"""Sums, extremes and the like over some axes."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor, fx

from lpnet_agent.runtimes.torch.op import Op

Axes = tuple[int, ...]


def l1(x: Tensor, axes: Axes, keepdim: bool) -> Tensor:
    return x.abs().sum(axes, keepdim)


def l2(x: Tensor, axes: Axes, keepdim: bool) -> Tensor:
    return x.square().sum(axes, keepdim).sqrt()


def sum_square(x: Tensor, axes: Axes, keepdim: bool) -> Tensor:
    return x.square().sum(axes, keepdim)


def log_sum(x: Tensor, axes: Axes, keepdim: bool) -> Tensor:
    return x.sum(axes, keepdim).log()


def _reduce(function: Callable[..., Any], types: tuple[str, ...], op: Op) -> fx.Node:
    op.check_type(*types)
    rank = len(op.input_shape())
    # The axes are an input since opset 18 (of ReduceSum 13), an attribute before.
    listed = op.integers(1) or tuple(op.attribute("axes", ()))
    empty_is_noop = bool(op.attribute("noop_with_empty_axes", 0))
    keepdim = bool(op.attribute("keepdims", 1))
    if not listed and empty_is_noop:
        raise op.unsupported("it has no axes")
    axes = tuple(op.axis(axis) for axis in listed) or tuple(range(rank))
    return op.call(function, op.tensor(), axes, keepdim)


def _arg(function: Callable[..., Any], op: Op) -> fx.Node:
    op.refuse_unless("select_last_index", 0)
    axis, keepdim = op.axis(op.attribute("axis", 0)), bool(op.attribute("keepdims", 1))
    return op.call(function, op.tensor(), axis, keepdim)


def _global(function: Callable[..., Any], op: Op) -> fx.Node:
    return op.call(function, op.tensor(), tuple(range(2, len(op.input_shape()))), True)


_FLOAT = ("float32",)
_ANY = ("float32", "int64", "int32", "uint8", "int8")
_REDUCTIONS: dict[str, tuple[Callable[..., Any], tuple[str, ...]]] = {
    "ReduceL1": (l1, _FLOAT),
    "ReduceL2": (l2, _FLOAT),
    "ReduceLogSum": (log_sum, _FLOAT),
    "ReduceLogSumExp": (torch.logsumexp, _FLOAT),
    "ReduceMax": (torch.amax, _ANY),
    "ReduceMin": (torch.amin, _ANY),
    # PyTorch would give a sum of other integers another type.
    "ReduceSum": (torch.sum, ("float32", "int64")),
    "ReduceSumSquare": (sum_square, _FLOAT),
}
FUNCTIONS: dict[str, Callable[[Op], fx.Node]] = {
    **{name: partial(_reduce, *reduction) for name, reduction in _REDUCTIONS.items()},
    "ArgMax": partial(_arg, torch.argmax),
    "ArgMin": partial(_arg, torch.argmin),
    "GlobalMaxPool": partial(_global, torch.amax),
}
