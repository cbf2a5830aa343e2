"""The types of kernel that a latency model prices, and how coverage describes ops."""

from __future__ import annotations

import numpy as np

from lpnet.space.table import WEIGHTED, Matrix, OpRow, OpTable, Vector

# The order of types and functions is that of features in files of latency models: add new ones to
# the end of MORE_TYPES and MORE_FUNCTIONS.
TYPES = (
    "conv_dense",
    "conv_depthwise",
    "conv_grouped",
    "conv_transpose2d",
    "linear",
    "add",
    "mul",
    "pool_max",
    "pool_avg",
    "pool_global",
    "batch_norm",
    "concat",
    "split",
    "resize",
    "activation",
    "edge_in",
    "edge_out",
    "call",
)
EDGES = ("edge_in", "edge_out", "call")
MORE_TYPES = ("matmul", "norm", "softmax", "move", "reduce", "opaque")
FUNCTIONS = (
    "none",
    "relu",
    "relu6",
    "silu",
    "hardswish",
    "hardsigmoid",
    "sigmoid",
    "tanh",
    "gelu",
    "leaky_relu",
    "elu",
    "unknown",
    "other",
)
MORE_FUNCTIONS = (
    *("abs", "cast", "clip", "erf", "exp", "log", "max", "min", "mish", "neg", "p_relu", "pow"),
    *("reciprocal", "selu", "softplus", "sqrt", "swish"),
)
_MOVES = (
    *("transpose", "reshape", "slice", "gather", "pad", "tile", "expand", "part"),
    *("depth_to_space", "space_to_depth"),
)
# Functions of the ops that have one, beside activations.
VARIANTS = (
    *(("norm", function) for function in ("layer", "group", "instance", "rms")),
    *(("move", function) for function in _MOVES),
    *(("reduce", function) for function in ("mean", "max", "min", "sum", "l2")),
)
# An activation that is the only reader of one of these runs inside its kernel.
ABSORBING = WEIGHTED | {"add", "batch_norm", "matmul", "norm"}
# These leave the channel axis as it is: a kernel's neighbour is the next op beyond them.
PASSING = frozenset(
    {"add", "activation", "batch_norm", "pool", "flatten", "resize", "norm", "softmax"}
)
FREE = "flatten"


def grouping(table: OpTable, index: int) -> str:
    """`dense`, `depthwise` or `grouped`, the same for all widths of a conv.

    A conv with a window from one channel to one counts as a depthwise conv pruned that far.
    """
    row = table.rows[index]
    same = np.array_equal(table.a_g[index], table.a_in[index])
    if same and table.b_g[index] == table.b_in[index]:
        constant_one = not table.a_in[index].any() and table.b_in[index] == 1
        narrow = table.b_out[index] == 1 and not table.a_out[index].any() and max(row.kernel) > 1
        return "depthwise" if not constant_one or narrow else "dense"
    if table.a_g[index].any() or table.b_g[index] != 1:
        return "grouped"
    return "dense"


def kernel_type(table: OpTable, index: int) -> str:
    """One of TYPES or MORE_TYPES."""
    row = table.rows[index]
    if row.type == "conv2d":
        return f"conv_{grouping(table, index)}"
    return f"pool_{row.mode}" if row.type == "pool" else row.type


def function_feature(name: str) -> str:
    if not name:
        return "unknown"
    return name if name in FUNCTIONS else "other"


def describe_op(table: OpTable, index: int, absorbed: bool) -> str | None:
    """None if the op costs nothing."""
    row = table.rows[index]
    if row.type == FREE:
        return None
    if row.type == "activation":
        alone = "" if absorbed else " on its own"
        return f"activation {row.function or 'unknown'}{alone}"
    if row.type in ("conv2d", "conv_transpose2d"):
        return f"{row.type} {_window(row)} {grouping(table, index)}"
    if row.type == "pool":
        return "pool global" if row.mode == "global" else f"pool {row.mode} {_window(row)}"
    if row.type in ("norm", "move", "reduce"):
        return f"{row.type} {row.function}"
    if row.type == "opaque":
        return f"opaque {row.function} {_sizes(table, index)}"
    return row.type


def _sizes(table: OpTable, index: int) -> str:
    row = table.rows[index]
    before = f"{_channels(table.a_in, table.b_in, index)}x{row.h}x{row.w}"
    after = f"{_channels(table.a_out, table.b_out, index)}x{row.h_out}x{row.w_out}"
    return f"{before} to {after}"


def _channels(slopes: Matrix, constants: Vector, index: int) -> str:
    # Never covered where it varies: the price of an opaque op is known at measured sizes only.
    return "any" if slopes[index].any() else f"{constants[index]:.0f}"


def _window(row: OpRow) -> str:
    text = f"{_pair(row.kernel)} stride {_side(row.stride)}"
    return text if row.dilation == (1, 1) else f"{text} dilation {_side(row.dilation)}"


def _pair(pair: tuple[int, int]) -> str:
    return f"{pair[0]}x{pair[1]}"


def _side(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else _pair(pair)
