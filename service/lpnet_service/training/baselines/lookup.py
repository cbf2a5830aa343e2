"""The lookup table: measured blocks of the same shape, interpolated; a network is their sum."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lpnet.space.table import OpTable
from lpnet_service.training.baselines.task import Impossible, Task
from lpnet_service.training.records import Record, Vector

Signature = tuple[Any, ...]
NEIGHBOURS = (1, 2, 4, 8)


class Shelf:
    """Measured blocks of one signature: ms by the logs of their channels.

    In between, ms per FLOP of the nearest are averaged by inverse squared distance; how many
    count is what does best when each measured block is left out in turn.
    """

    def __init__(self, records: Sequence[Record]) -> None:
        self.places = np.array([_place(record.table) for record in records])
        self.rates = np.array([np.log(r.latency_ms) for r in records]) - self.places[:, 0]
        self.neighbours = min(NEIGHBOURS, key=self._left_out)

    def price(self, table: OpTable) -> float:
        """Latency in ms of a block of this signature."""
        place = _place(table)
        return self._interpolated(place, self.places, self.rates, self.neighbours)

    def _left_out(self, neighbours: int) -> float:
        errors = []
        for i in range(len(self.rates)):
            others = np.arange(len(self.rates)) != i
            if others.any():
                price = self._interpolated(
                    self.places[i], self.places[others], self.rates[others], neighbours
                )
                errors.append(abs(price / np.exp(self.rates[i] + self.places[i, 0]) - 1.0))
        return float(np.mean(errors)) if errors else 0.0

    @staticmethod
    def _interpolated(place: Vector, places: Vector, rates: Vector, neighbours: int) -> float:
        distance = ((places[:, 1:] - place[1:]) ** 2).sum(1)
        near = np.argsort(distance, kind="stable")[:neighbours]
        weights = 1.0 / (distance[near] + 1e-9)
        return float(np.exp(place[0] + weights @ rates[near] / weights.sum()))


def lookup(task: Task) -> Vector:
    """Blocks from blocks of the same signature; networks cut into signatures that were measured.

    Raises Impossible where a workload holds something that no block of was measured.
    """
    shelves = shelves_of(task.blocks)
    if not shelves:
        raise Impossible("no block was measured")
    prices = []
    for record in task.judged:
        parts = cut(record.table, record.batch, shelves)
        if parts is None:
            raise Impossible("not every part of what is judged was measured as a block")
        prices.append(sum(shelves[signature(p, record.batch)].price(p) for p in parts))
    return np.array(prices)


def shelves_of(blocks: Sequence[Record]) -> dict[Signature, Shelf]:
    """Measured blocks by signature."""
    sorted_out: dict[Signature, list[Record]] = defaultdict(list)
    for record in blocks:
        sorted_out[signature(record.table, record.batch)].append(record)
    return {key: Shelf(records) for key, records in sorted_out.items()}


def cut(
    table: OpTable, batch: int, known: Mapping[Signature, object]
) -> tuple[OpTable, ...] | None:
    """A table as consecutive parts of known signature, the longest first; None: it is not one."""
    lengths = sorted({len(key) - 1 for key in known}, reverse=True)
    parts, start = [], 0
    while start < len(table.rows):
        for length in lengths:
            part = table.slice(start, min(start + length, len(table.rows)))
            if len(part.rows) == length and signature(part, batch) in known:
                parts.append(part)
                start += length
                break
        else:
            return None
    return tuple(parts)


def signature(table: OpTable, batch: int) -> Signature:
    """All that is the same for blocks that differ only in channels."""
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


def _place(table: OpTable) -> Vector:
    """Log FLOPs (of elements, where nothing is multiplied), then the logs of all channels."""
    nothing = np.zeros(0)
    c_in, c_out = table.c_in(nothing), table.c_out(nothing)
    pixels = np.array([row.h_out * row.w_out for row in table.rows])
    work = float(table.macs(nothing)) or float((c_out * pixels).sum())
    return np.log(np.concatenate(([work], c_in, c_out)))
