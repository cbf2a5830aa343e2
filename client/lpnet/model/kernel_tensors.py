"""The kernels of op tables as tensors: how their channels follow the widths, and their work."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from lpnet.errors import LpnetError
from lpnet.model.kernels import Kernel, kernels
from lpnet.model.op_types import EDGES
from lpnet.model.products import product
from lpnet.model.static_features import pixels, static_features
from lpnet.space.table import WEIGHTED, OpTable

_BYTES_PER_NUMBER = 4.0
# Each of these reads its other inputs as well, which are about as large as the first.
_MERGING = ("add", "mul", "opaque")


@dataclass(frozen=True)
class KernelTensors:
    """The priced kernels of one table, or of several one after another, as tensors (float64).

    `static` is (U, STATIC); `a_*` (U, widths) and `b_*` (U,) map widths to channels; `producer`
    and `consumer` (U,) are kernel indices, U where there is none; `cost` is (5, U): whether
    each output channel sums over input channels, the log of FLOPs per channel product, bytes per
    input channel, per output channel and per channel product; `segment` (U,) says which table a
    kernel belongs to. The input channels of a product of activations are those of one head.
    """

    static: Tensor
    a_in: Tensor
    b_in: Tensor
    a_out: Tensor
    b_out: Tensor
    a_g: Tensor
    b_g: Tensor
    producer: Tensor
    consumer: Tensor
    cost: Tensor
    segment: Tensor

    @property
    def count(self) -> int:
        return int(self.static.shape[0])

    @property
    def segments(self) -> int:
        return int(self.segment[-1]) + 1

    @classmethod
    def of(cls, table: OpTable, batch: int) -> KernelTensors:
        if not table.rows:
            raise LpnetError("a table without ops has no latency")
        priced = kernels(table)
        count = len(priced)
        index_of_row = {k.row: i for i, k in enumerate(priced) if k.type not in EDGES}
        a_in, b_in, a_out, b_out, a_g, b_g = map(torch.from_numpy, _channel_maps(table, priced))
        return cls(
            static=torch.tensor([static_features(table, k, batch) for k in priced]).double(),
            a_in=a_in,
            b_in=b_in,
            a_out=a_out,
            b_out=b_out,
            a_g=a_g,
            b_g=b_g,
            producer=torch.tensor([index_of_row.get(k.producer, count) for k in priced]),
            consumer=torch.tensor([index_of_row.get(k.consumer, count) for k in priced]),
            cost=torch.tensor([_cost(table, k, batch) for k in priced]).double().T,
            segment=torch.zeros(count, dtype=torch.long),
        )

    @classmethod
    def cat(cls, parts: Sequence[KernelTensors]) -> KernelTensors:
        """The tables must have no widths. `segment` numbers them."""
        total = sum(part.count for part in parts)
        offsets = np.cumsum([0, *(part.count for part in parts)])
        joined: dict[str, Tensor] = {
            f.name: torch.cat([getattr(p, f.name) for p in parts], -1 if f.name == "cost" else 0)
            for f in fields(cls)
        }
        for name in ("producer", "consumer"):
            joined[name] = torch.cat(
                [
                    torch.where(index < part.count, index + int(start), total)
                    for part, start in zip(parts, offsets, strict=False)
                    for index in (getattr(part, name),)
                ]
            )
        joined["segment"] = torch.repeat_interleave(
            torch.arange(len(parts)), torch.tensor([part.count for part in parts])
        )
        return cls(**joined)


def _channel_maps(table: OpTable, priced: Sequence[Kernel]) -> tuple[np.ndarray, ...]:
    """a_in, b_in, a_out, b_out, a_g, b_g of the kernels. An edge has the channels that it
    passes."""
    rows = np.array([kernel.row for kernel in priced])
    a_in, b_in = table.a_in[rows].copy(), table.b_in[rows].copy()
    a_out, b_out = table.a_out[rows].copy(), table.b_out[rows].copy()
    a_g, b_g = table.a_g[rows].copy(), table.b_g[rows].copy()
    for index, kernel in enumerate(priced):
        if kernel.type == "edge_in":
            a_out[index], b_out[index] = a_in[index], b_in[index]
        elif kernel.type == "edge_out":
            a_in[index], b_in[index] = a_out[index], b_out[index]
        elif kernel.type == "call":
            a_in[index], b_in[index], a_out[index], b_out[index] = 0.0, 1.0, 0.0, 1.0
        elif kernel.type == "matmul" and (split := product(table, kernel.row)) is not None:
            a_in[index], b_in[index] = split.slope, split.constant
            a_g[index], b_g[index] = 0.0, 1.0
        if kernel.type in EDGES:
            a_g[index], b_g[index] = 0.0, 1.0
    return a_in, b_in, a_out, b_out, a_g, b_g


def _cost(table: OpTable, kernel: Kernel, batch: int) -> list[float]:
    """1 if channels are summed, log FLOPs per channel product, bytes per channel in and out, and
    bytes per channel product: weights, or the second input of a product of activations."""
    row = table.rows[kernel.row]
    pixels_in, pixels_out = pixels(row, kernel)
    moved = _BYTES_PER_NUMBER * batch
    if kernel.type in ("edge_in", "edge_out"):
        return [0.0, math.log(batch * pixels_in), moved * pixels_in, moved * pixels_in, 0.0]
    if kernel.type == "call":
        return [0.0, 0.0, 1.0, 1.0, 0.0]
    if row.type == "matmul":
        return _product_cost(table, kernel.row, moved)
    area = row.kernel[0] * row.kernel[1]
    weighted = row.type in WEIGHTED
    work = pixels_in if row.type in ("conv_transpose2d", "reduce") else pixels_out
    flops = math.log(2.0 * area * work * batch) if weighted else math.log(area * work * batch)
    weights = _BYTES_PER_NUMBER * area if weighted else 0.0
    # The later inputs of a concat are the channels that its output has beyond the first.
    reads = len(row.inputs) if row.type in _MERGING else 1
    sums = weighted or _sums_channels(table, kernel.row)
    return [float(sums), flops, moved * pixels_in * reads, moved * pixels_out, weights]


def _product_cost(table: OpTable, index: int, moved: float) -> list[float]:
    row, split = table.rows[index], product(table, index)
    flops = math.log(2.0 * row.h * row.w * moved / _BYTES_PER_NUMBER)
    written = moved * row.h_out * row.w_out
    if split is None:
        return [1.0, flops, moved * row.h * row.w, written, moved]
    read, along = moved * split.per_summed, moved * split.per_c_out
    return [1.0, flops, read, written + along, moved]


def _sums_channels(table: OpTable, index: int) -> bool:
    """True for a reduction to a single channel, whose work grows with its input channels."""
    single = table.b_out[index] == 1 and not table.a_out[index].any()
    return table.rows[index].type == "reduce" and bool(single)
