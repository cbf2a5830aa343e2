"""The features of a kernel that do not depend on the widths: its op and its neighbours."""

from __future__ import annotations

import math

import numpy as np

from lpnet.model.kernels import Kernel
from lpnet.model.op_types import (
    EDGES,
    FUNCTIONS,
    MORE_FUNCTIONS,
    MORE_TYPES,
    TYPES,
    VARIANTS,
    function_feature,
    kernel_type,
)
from lpnet.space.table import OpRow, OpTable

_NEIGHBOURS = ("dense", "depthwise", "other")
_SHAPES = 9
CONTEXT = 3 + 2 * (1 + len(_NEIGHBOURS))
_MORE_SHAPES = 2
# New features follow the ones before. A model uses the first ones, as many as it was trained on.
FIRST_STATIC = len(TYPES) + len(FUNCTIONS) + _SHAPES + CONTEXT
STATIC = FIRST_STATIC + len(MORE_TYPES) + len(VARIANTS) + len(MORE_FUNCTIONS) + _MORE_SHAPES
STATIC_SIZES = (FIRST_STATIC, STATIC)


def static_features(table: OpTable, kernel: Kernel, batch: int) -> list[float]:
    """All STATIC features."""
    return [*_first_features(table, kernel, batch), *_more_features(table, kernel)]


def _first_features(table: OpTable, kernel: Kernel, batch: int) -> list[float]:
    row = table.rows[kernel.row]
    edge = kernel.type in EDGES
    window = (1, 1) if edge else row.kernel
    stride = (1, 1) if edge else row.stride
    pixels_in, pixels_out = pixels(row, kernel)
    function = "none" if kernel.function is None else function_feature(kernel.function)
    return [
        *(float(kernel.type == name) for name in TYPES),
        *(float(function == name) for name in FUNCTIONS),
        math.log(window[0]),
        math.log(window[1]),
        math.log(stride[0] * stride[1]),
        0.0 if edge else math.log(row.dilation[0] * row.dilation[1]),
        float(not edge and row.padding is None),
        0.0 if edge or not row.padding else math.log1p(row.padding[0] + row.padding[1]),
        math.log(pixels_in),
        math.log(pixels_out),
        math.log(batch),
        float(kernel.before_add),
        float(kernel.consumers > 1),
        float(len(row.inputs) if not edge else 1),
        *_neighbour(table, kernel.producer),
        *_neighbour(table, kernel.consumer),
    ]


def _more_features(table: OpTable, kernel: Kernel) -> list[float]:
    variant = (kernel.type, table.rows[kernel.row].function)
    return [
        *(float(kernel.type == name) for name in MORE_TYPES),
        *(float(variant == other) for other in VARIANTS),
        *(float(kernel.function == name) for name in MORE_FUNCTIONS),
        _broadcast(table, kernel),
        math.log(max(1, kernel.outputs)),
    ]


def _broadcast(table: OpTable, kernel: Kernel) -> float:
    """Log pixels of the output over those of the smallest input, for a sum or product."""
    row, index = table.rows[kernel.row], kernel.row
    if kernel.type not in ("add", "mul"):
        return 0.0
    after = row.h_out * row.w_out
    read = [after]
    for source in row.inputs:
        if source >= 0 and not _same_values(table, source, index):
            read.append(table.rows[source].h_out * table.rows[source].w_out)
    return math.log(after / min(read))


def _same_values(table: OpTable, first: int, second: int) -> bool:
    """Whether two rows put out as many values, on whichever axes."""
    left, right = (table.rows[i].h_out * table.rows[i].w_out for i in (first, second))
    same = np.allclose(table.a_out[first] * left, table.a_out[second] * right)
    return bool(same and np.isclose(table.b_out[first] * left, table.b_out[second] * right))


def pixels(row: OpRow, kernel: Kernel) -> tuple[int, int]:
    if kernel.type == "call":
        return 1, 1
    before, after = row.h * row.w, row.h_out * row.w_out
    if kernel.type == "edge_in":
        return before, before
    return (after, after) if kernel.type == "edge_out" else (before, after)


def _neighbour(table: OpTable, index: int) -> list[float]:
    """One-hot: no neighbour, a dense conv, a depthwise one, or something else."""
    if index < 0:
        return [1.0, *(0.0 for _ in _NEIGHBOURS)]
    names = {"conv_dense": "dense", "conv_depthwise": "depthwise"}
    name = names.get(kernel_type(table, index), "other")
    return [0.0, *(float(name == neighbour) for neighbour in _NEIGHBOURS)]
