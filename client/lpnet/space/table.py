"""The op table: a space as arithmetic.

It has a row per op, with its constants, and affine maps from the widths to the op's channels:

    c_in = A_in w + b_in        c_out = A_out w + b_out        groups = A_g w + b_g

It uses numpy only, so that an agent can read it without torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpnet.schemas import ops as wire
from lpnet.space.parameter_counts import ParameterCounts

Matrix = NDArray[np.float64]
Vector = NDArray[np.float64]


@dataclass(frozen=True)
class OpRow:
    """An op without its channel counts.

    `name` is the path of its module or the name of its node, `h, w` the size of its input and
    `h_out, w_out` that of its output. `inputs` are row indices, or -1, -2, ... for the table's
    inputs. `function` belongs to activations, norms, moves, reductions and opaque ops, `mode` to
    pools. `padding` is None if it is unknown.
    """

    name: str
    type: str
    inputs: tuple[int, ...]
    h: int
    w: int
    h_out: int
    w_out: int
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] | None = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    function: str = ""
    mode: str = ""


@dataclass(frozen=True)
class OpTable:
    """Rows and the affine maps of their channels; `a_*` are (ops, widths), `b_*` are (ops,).

    `parameters` are those of rows that do not hold what their op and channels say.
    """

    rows: tuple[OpRow, ...]
    a_in: Matrix
    b_in: Vector
    a_out: Matrix
    b_out: Vector
    a_g: Matrix
    b_g: Vector
    parameters: ParameterCounts | None = None

    @property
    def n_widths(self) -> int:
        return int(self.a_in.shape[1])

    def c_in(self, widths: Matrix) -> Matrix:
        """Input channels of every op: widths (..., widths) to (..., ops)."""
        return np.asarray(widths @ self.a_in.T + self.b_in)

    def c_out(self, widths: Matrix) -> Matrix:
        return np.asarray(widths @ self.a_out.T + self.b_out)

    def groups(self, widths: Matrix) -> Matrix:
        """1 for ops without groups."""
        return np.asarray(widths @ self.a_g.T + self.b_g)

    def macs(self, widths: Matrix) -> Vector:
        """Multiply-accumulates of convs, linear ops and products of activations, for an inference:
        (..., widths) to (...,).

        c_in / groups * c_out * kernel area * output pixels; for a transposed conv, input pixels.
        """
        products = self._products(widths, MULTIPLYING)
        pixels = np.array(
            [
                row.h * row.w if row.type == "conv_transpose2d" else row.h_out * row.w_out
                for row in self.rows
            ]
        )
        return np.asarray((products * pixels).sum(-1))

    def params(self, widths: Matrix) -> Vector:
        """Parameters after BatchNorm is folded: (..., widths) to (...,).

        Rows that `parameters` does not list have those of `layer_params`.
        """
        rows = self.layer_params(widths)
        if self.parameters is None:
            return np.asarray(rows.sum(-1))
        rows[..., self.parameters.rows] = 0.0
        return np.asarray(rows.sum(-1) + self.parameters.each(widths).sum(-1))

    def layer_params(self, widths: Matrix) -> Matrix:
        """Parameters of each row by its op and channels: (..., widths) to (..., ops).

        A layer has weights and a bias per output channel. A norm, or a BatchNorm that is not
        folded, has a scale and a shift per channel; an RMS norm has a scale.
        """
        per_channel = np.array([_PER_CHANNEL.get(_kind(row), 0.0) for row in self.rows])
        weights = self._products(widths, WEIGHTED) + per_channel * self.c_out(widths)
        # The groups of a linear op share its weight.
        shared = np.array([row.type == "linear" for row in self.rows])
        return np.asarray(weights / np.where(shared, self.groups(widths), 1.0))

    def ops(self, widths: Vector) -> tuple[wire.Op, ...]:
        c_in, c_out, groups = self.c_in(widths), self.c_out(widths), self.groups(widths)
        return tuple(
            to_wire(row, round(c_in[i]), round(c_out[i]), round(groups[i]))
            for i, row in enumerate(self.rows)
        )

    def slice(self, start: int, stop: int) -> OpTable:
        """Rows start to stop as a table of their own.

        Earlier outputs become its inputs -1, -2, ... in the order in which they are read.
        """
        outside = dict.fromkeys(
            i for row in self.rows[start:stop] for i in row.inputs if i < start
        )
        renumbered = {source: -1 - number for number, source in enumerate(outside)}
        rows = tuple(
            replace(row, inputs=tuple(renumbered.get(i, i - start) for i in row.inputs))
            for row in self.rows[start:stop]
        )
        part = np.s_[start:stop]
        return OpTable(
            rows,
            self.a_in[part],
            self.b_in[part],
            self.a_out[part],
            self.b_out[part],
            self.a_g[part],
            self.b_g[part],
            None if self.parameters is None else self.parameters.slice(start, stop),
        )

    @classmethod
    def from_ops(cls, ops: Sequence[wire.Op]) -> OpTable:
        """Every channel count is a constant."""
        rows = tuple(from_wire(op, index) for index, op in enumerate(ops))
        no_widths = np.zeros((len(rows), 0))
        return cls(
            rows,
            no_widths,
            np.array([op.c_in for op in ops], dtype=float),
            no_widths,
            np.array([op.c_out for op in ops], dtype=float),
            no_widths,
            np.array([getattr(op, "groups", 1) for op in ops], dtype=float),
        )

    def _products(self, widths: Matrix, types: frozenset[str]) -> Matrix:
        area = np.array(
            [row.kernel[0] * row.kernel[1] if row.type in types else 0 for row in self.rows]
        )
        return np.asarray(self.c_in(widths) / self.groups(widths) * self.c_out(widths) * area)


def _kind(row: OpRow) -> str:
    return f"{row.type} {row.function}" if row.type == "norm" else row.type


WEIGHTED = frozenset({"conv2d", "conv_transpose2d", "linear"})
MULTIPLYING = WEIGHTED | {"matmul"}
_PER_CHANNEL = {
    **dict.fromkeys(WEIGHTED, 1.0),
    "batch_norm": 2.0,
    "norm layer": 2.0,
    "norm group": 2.0,
    "norm instance": 2.0,
    "norm rms": 1.0,
}
_WITH_GROUPS = frozenset({"conv2d", "conv_transpose2d", "linear", "matmul"})
_WITH_FUNCTION = frozenset({"activation", "norm", "move", "reduce", "opaque"})
_WITH_OUTPUT_SIZE = frozenset({"move", "reduce", "opaque"})
_BY_TYPE: dict[str, Any] = {
    "conv2d": wire.Conv2d,
    "conv_transpose2d": wire.ConvTranspose2d,
    "linear": wire.Linear,
    "matmul": wire.MatMul,
    "batch_norm": wire.BatchNorm,
    "norm": wire.Norm,
    "softmax": wire.Softmax,
    "activation": wire.Activation,
    "add": wire.Add,
    "mul": wire.Mul,
    "concat": wire.Concat,
    "split": wire.Split,
    "pool": wire.Pool,
    "resize": wire.Resize,
    "flatten": wire.Flatten,
    "move": wire.Move,
    "reduce": wire.Reduce,
    "opaque": wire.Opaque,
}


def to_wire(row: OpRow, c_in: int, c_out: int, groups: int) -> wire.Op:
    fields: dict[str, Any] = {"c_in": c_in, "c_out": c_out, "h": row.h, "w": row.w}
    fields["inputs"] = row.inputs
    if row.type in ("conv2d", "conv_transpose2d", "pool"):
        fields |= {
            "kernel": row.kernel,
            "stride": row.stride,
            "padding": row.padding,
            "dilation": row.dilation,
        }
    if row.type in _WITH_GROUPS:
        fields["groups"] = groups
    if row.type in _WITH_FUNCTION:
        fields["function"] = row.function or "unknown"
    if row.type in _WITH_OUTPUT_SIZE:
        fields |= {"h_out": row.h_out, "w_out": row.w_out}
    if row.type == "pool":
        fields |= {"mode": row.mode, "ceil_mode": _rounds_up(row)}
    if row.type == "resize":
        fields["scale"] = (row.h_out / row.h, row.w_out / row.w)
    op: wire.Op = _BY_TYPE[row.type](**fields)
    return op


def _rounds_up(row: OpRow) -> bool:
    if row.padding is None:
        return False
    sides = zip((row.h, row.w), (row.h_out, row.w_out), strict=True)
    for axis, (side, out) in enumerate(sides):
        window = wire.window_span(row.kernel[axis], row.dilation[axis])
        if out > wire.positions(side, window, row.stride[axis], row.padding[axis]):
            return True
    return False


def from_wire(op: wire.Op, index: int) -> OpRow:
    """`index` is the position among the workload's ops."""
    window = op if isinstance(op, wire.Conv2d | wire.ConvTranspose2d | wire.Pool) else None
    h_out, w_out = wire.output_size(op)
    return OpRow(
        name=f"{index}",
        type=op.type,
        inputs=op.inputs if op.inputs is not None else (index - 1,),
        h=op.h,
        w=op.w,
        h_out=h_out,
        w_out=w_out,
        kernel=window.kernel if window else (1, 1),
        stride=window.stride if window else (1, 1),
        padding=window.padding if window else (0, 0),
        dilation=window.dilation if window else (1, 1),
        function=getattr(op, "function", ""),
        mode=op.mode if isinstance(op, wire.Pool) else "",
    )
