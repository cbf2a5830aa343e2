"""The types of kernel that a latency model prices, and how coverage describes ops."""

from __future__ import annotations

import numpy as np

from lpnet.space.table import OpRow, OpTable

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
WEIGHTED = frozenset({"conv2d", "conv_transpose2d", "linear"})
# An activation that is the only reader of one of these runs inside its kernel.
ABSORBING = WEIGHTED | {"add", "batch_norm"}
# These leave the channel axis as it is: a kernel's neighbour is the next op beyond them.
PASSING = frozenset({"add", "activation", "batch_norm", "pool", "flatten", "resize"})
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
    """One of TYPES."""
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
    return row.type


def _window(row: OpRow) -> str:
    text = f"{_pair(row.kernel)} stride {_side(row.stride)}"
    return text if row.dilation == (1, 1) else f"{text} dilation {_side(row.dilation)}"


def _pair(pair: tuple[int, int]) -> str:
    return f"{pair[0]}x{pair[1]}"


def _side(pair: tuple[int, int]) -> str:
    return str(pair[0]) if pair[0] == pair[1] else _pair(pair)
