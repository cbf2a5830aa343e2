"""What an LPNet knows about the kernels of a table before it knows their channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from lpnet.errors import LpnetError
from lpnet.model.channels import DYNAMIC, seldom
from lpnet.model.kernels import Node, nodes
from lpnet.model.op_types import FUNCTIONS, TYPES, WEIGHTED, known_function, unit_type
from lpnet.space.table import OpRow, OpTable

_SIDES = ("dense", "depthwise", "other")
_SHAPES = 9
_CONTEXT = 3 + 2 * (1 + len(_SIDES))
STATIC = len(TYPES) + len(FUNCTIONS) + _SHAPES + _CONTEXT
_BYTES_PER_NUMBER = 4.0


@dataclass(frozen=True)
class Units:
    """The priced kernels of one table, or of many one after another, as tensors (float64).

    `static` is (U, STATIC); `a_*` (U, widths) and `b_*` (U,) map widths to channels; `producer`
    and `consumer` (U,) are unit indices, U where there is none; `cost` is (5, U): whether weights
    are multiplied, the log of FLOPs per channel product, bytes per input channel, per output
    channel and per weight channel product; `segment` (U,) says which table a unit belongs to.
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
    def of(cls, table: OpTable, batch: int) -> Units:
        """The kernels of a table, run on `batch` inferences at once."""
        if not table.rows:
            raise LpnetError("a table without ops has no latency")
        found = nodes(table)
        place = {node.row: unit for unit, node in enumerate(found[:-3])}
        count = len(found)

        def unit_of(row: int) -> int:
            return place.get(row, count)

        maps = _maps(table, found)
        return cls(
            static=torch.tensor([_static(table, node, batch) for node in found]).double(),
            a_in=torch.from_numpy(maps[0]),
            b_in=torch.from_numpy(maps[1]),
            a_out=torch.from_numpy(maps[2]),
            b_out=torch.from_numpy(maps[3]),
            a_g=torch.from_numpy(maps[4]),
            b_g=torch.from_numpy(maps[5]),
            producer=torch.tensor([unit_of(node.producer) for node in found]),
            consumer=torch.tensor([unit_of(node.consumer) for node in found]),
            cost=torch.tensor([_cost(table, node, batch) for node in found]).double().T,
            segment=torch.zeros(count, dtype=torch.long),
        )

    @classmethod
    def cat(cls, many: Sequence[Units]) -> Units:
        """Many tables without widths as one, `segment` counting them."""
        total = sum(units.count for units in many)
        offsets = np.cumsum([0, *(units.count for units in many)])
        parts: dict[str, Tensor] = {
            f.name: torch.cat([getattr(u, f.name) for u in many], -1 if f.name == "cost" else 0)
            for f in fields(cls)
        }
        for name in ("producer", "consumer"):
            parts[name] = torch.cat(
                [
                    torch.where(index < units.count, index + int(start), total)
                    for units, start in zip(many, offsets, strict=False)
                    for index in (getattr(units, name),)
                ]
            )
        parts["segment"] = torch.repeat_interleave(
            torch.arange(len(many)), torch.tensor([units.count for units in many])
        )
        return cls(**parts)


def prior() -> Tensor:
    """How freely each feature may speak, (STATIC + DYNAMIC,): a scale on its standardised value.

    What stands next to a kernel, and steps wider than a vector register, matter seldom: they need
    more evidence, else small sets of samples are explained by them.
    """
    scale = torch.ones(STATIC + DYNAMIC)
    scale[STATIC - _CONTEXT : STATIC] = 0.3
    scale[STATIC:][torch.tensor(seldom())] = 0.1
    return scale


def _maps(table: OpTable, found: Sequence[Node]) -> tuple[np.ndarray, ...]:
    """a_in, b_in, a_out, b_out, a_g, b_g of the kernels; edges have the channels they pass."""
    rows = np.array([node.row for node in found])
    a_in, b_in = table.a_in[rows].copy(), table.b_in[rows].copy()
    a_out, b_out = table.a_out[rows].copy(), table.b_out[rows].copy()
    a_g, b_g = table.a_g[rows].copy(), table.b_g[rows].copy()
    for unit, node in enumerate(found):
        if node.type == "edge_in":
            a_out[unit], b_out[unit] = a_in[unit], b_in[unit]
        elif node.type == "edge_out":
            a_in[unit], b_in[unit] = a_out[unit], b_out[unit]
        elif node.type == "call":
            a_in[unit], b_in[unit], a_out[unit], b_out[unit] = 0.0, 1.0, 0.0, 1.0
        if node.type in ("edge_in", "edge_out", "call"):
            a_g[unit], b_g[unit] = 0.0, 1.0
    return a_in, b_in, a_out, b_out, a_g, b_g


def _static(table: OpTable, node: Node, batch: int) -> list[float]:
    row = table.rows[node.row]
    edge = node.type in ("edge_in", "edge_out", "call")
    kernel = (1, 1) if edge else row.kernel
    stride = (1, 1) if edge else row.stride
    pixels_in, pixels_out = _pixels(row, node)
    function = "none" if node.function is None else known_function(node.function)
    return [
        *(float(node.type == name) for name in TYPES),
        *(float(function == name) for name in FUNCTIONS),
        math.log(kernel[0]),
        math.log(kernel[1]),
        math.log(stride[0] * stride[1]),
        0.0 if edge else math.log(row.dilation[0] * row.dilation[1]),
        float(not edge and row.padding is None),
        0.0 if edge or not row.padding else math.log1p(row.padding[0] + row.padding[1]),
        math.log(pixels_in),
        math.log(pixels_out),
        math.log(batch),
        float(node.before_add),
        float(node.consumers > 1),
        float(len(row.inputs) if not edge else 1),
        *_side(table, node.producer),
        *_side(table, node.consumer),
    ]


def _pixels(row: OpRow, node: Node) -> tuple[int, int]:
    if node.type == "call":
        return 1, 1
    into, out = row.h * row.w, row.h_out * row.w_out
    if node.type == "edge_in":
        return into, into
    return (out, out) if node.type == "edge_out" else (into, out)


def _side(table: OpTable, index: int) -> list[float]:
    """What stands next to a kernel: nothing, a dense conv, a depthwise one, or something else."""
    if index < 0:
        return [1.0, *(0.0 for _ in _SIDES)]
    kinds = {"conv_dense": "dense", "conv_depthwise": "depthwise"}
    kind = kinds.get(unit_type(table, index), "other")
    return [0.0, *(float(kind == side) for side in _SIDES)]


def _cost(table: OpTable, node: Node, batch: int) -> list[float]:
    """Whether weights multiply, log FLOPs per channel product, bytes per channel in and out, and
    bytes of weights per channel product."""
    row = table.rows[node.row]
    into, out = _pixels(row, node)
    moved = _BYTES_PER_NUMBER * batch
    if node.type in ("edge_in", "edge_out"):
        return [0.0, math.log(batch * into), moved * into, moved * into, 0.0]
    if node.type == "call":
        return [0.0, 0.0, 1.0, 1.0, 0.0]
    area = row.kernel[0] * row.kernel[1]
    weighted = row.type in WEIGHTED
    work = into if row.type == "conv_transpose2d" else out
    flops = math.log(2.0 * area * work * batch) if weighted else math.log(area * work * batch)
    weights = _BYTES_PER_NUMBER * area if weighted else 0.0
    # A concat's later inputs are what its output has beyond the first; only adds read c_in again.
    reads = len(row.inputs) if row.type in ("add", "mul") else 1
    return [float(weighted), flops, moved * into * reads, moved * out, weights]
