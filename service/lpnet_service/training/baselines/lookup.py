"""The lookup table: measured blocks of the same shape, interpolated; a network is their sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lpnet.space.table import OpTable
from lpnet_service.training.baselines.task import NotApplicable, Task
from lpnet_service.training.records import Record, Vector

Signature = tuple[Any, ...]
NEIGHBOURS = (1, 2, 4, 8)


class BlockTable:
    """Measured blocks of one signature: ms by the logs of their channels.

    Between measured blocks, the ms per FLOP of the nearest ones are averaged by inverse squared
    distance. Their number is chosen by leave-one-out cross-validation.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.points = np.array([_point(record.table) for record in records])
        self.rates = np.array([np.log(r.latency_ms) for r in records]) - self.points[:, 0]
        self.neighbours = min(NEIGHBOURS, key=self._left_out)

    def price(self, table: OpTable) -> float:
        point = _point(table)
        return self._interpolated(point, self.points, self.rates, self.neighbours)

    def _left_out(self, neighbours: int) -> float:
        errors = []
        for i in range(len(self.rates)):
            kept = np.arange(len(self.rates)) != i
            if kept.any():
                price = self._interpolated(
                    self.points[i], self.points[kept], self.rates[kept], neighbours
                )
                errors.append(abs(price / np.exp(self.rates[i] + self.points[i, 0]) - 1.0))
        return float(np.mean(errors)) if errors else 0.0

    @staticmethod
    def _interpolated(point: Vector, points: Vector, rates: Vector, neighbours: int) -> float:
        distance = ((points[:, 1:] - point[1:]) ** 2).sum(1)
        near = np.argsort(distance, kind="stable")[:neighbours]
        weights = 1.0 / (distance[near] + 1e-9)
        return float(np.exp(point[0] + weights @ rates[near] / weights.sum()))


def lookup(task: Task) -> Vector:
    """Prices a block by measured blocks of the same signature, and a network by cutting it into
    such blocks.

    Raises NotApplicable if part of a workload was not measured as a block.
    """
    tables = block_tables(task.blocks)
    if not tables:
        raise NotApplicable("no block was measured")
    prices = []
    for record in task.test:
        parts = cut(record.table, record.batch, tables)
        if parts is None:
            raise NotApplicable("not every part of the test workloads was measured as a block")
        prices.append(sum(tables[signature(p, record.batch)].price(p) for p in parts))
    return np.array(prices)


def block_tables(blocks: Sequence[Record]) -> dict[Signature, BlockTable]:
    by_signature: dict[Signature, list[Record]] = defaultdict(list)
    for record in blocks:
        by_signature[signature(record.table, record.batch)].append(record)
    return {key: BlockTable(records) for key, records in by_signature.items()}


def cut(
    table: OpTable, batch: int, signatures: Mapping[Signature, object]
) -> tuple[OpTable, ...] | None:
    """A table cut into consecutive parts of these signatures, longest first; None if that is
    impossible."""
    lengths = sorted({len(key) - 1 for key in signatures}, reverse=True)
    parts, start = [], 0
    while start < len(table.rows):
        for length in lengths:
            part = table.slice(start, min(start + length, len(table.rows)))
            if len(part.rows) == length and signature(part, batch) in signatures:
                parts.append(part)
                start += length
                break
        else:
            return None
    return tuple(parts)


def signature(table: OpTable, batch: int) -> Signature:
    """The properties that are equal in blocks that differ only in channels."""
    rows = (
        (
            row.type,
            row.inputs,
            (row.h, row.w, row.h_out, row.w_out),
            (row.kernel, row.stride, row.padding, row.dilation),
            row.function or row.mode,
            bool(table.b_g[i] == 1),
        )
        for i, row in enumerate(table.rows)
    )
    return (batch, *rows)


def _point(table: OpTable) -> Vector:
    """Log FLOPs (log elements if nothing is multiplied), then the logs of all channels."""
    no_widths = np.zeros(0)
    c_in, c_out = table.c_in(no_widths), table.c_out(no_widths)
    pixels = np.array([row.h_out * row.w_out for row in table.rows])
    work = float(table.macs(no_widths)) or float((c_out * pixels).sum())
    return np.log(np.concatenate(([work], c_in, c_out)))
