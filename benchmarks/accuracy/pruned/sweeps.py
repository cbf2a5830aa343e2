"""Fast widths by prediction against fast widths by measurement, in sweeps of one width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from benchmarks.accuracy.pruned.parts import Part
from benchmarks.accuracy.pruned.results import Sweep
from benchmarks.accuracy.pruned.training import Table, predict
from lpnet.model.base import LatencyModel
from lpnet.schemas.workload import SpaceWorkload
from lpnet_service.training.records import Vector


def judge_sweeps(
    model: LatencyModel, table: Table, parts: Sequence[Part], floor_pct: float | None
) -> list[Sweep]:
    return [
        sweep for part in parts for sweep in _sweeps(model, table, part, 2 * (floor_pct or 0.0))
    ]


def _sweeps(model: LatencyModel, table: Table, part: Part, margin_pct: float) -> Iterator[Sweep]:
    for block, rows in _by_block(part, table).items():
        values = [value for value, _ in rows]
        if len(values) < 3:
            continue
        test = [table.records[key][0] for _, key in rows]
        measured = np.array([record.latency_ms for record in test])
        predicted = predict(model, test).ms
        yield Sweep(
            network=part.network,
            block=block,
            values=tuple(values),
            measured_ms=tuple(measured.tolist()),
            predicted_ms=tuple(predicted.tolist()),
            fast=tuple(fast(measured).tolist()),
            predicted_fast=tuple(fast(predicted).tolist()),
            certain=tuple(certain(measured, margin_pct).tolist()),
        )


def _by_block(part: Part, table: Table) -> dict[str, list[tuple[int, str]]]:
    """The value of the swept width and the key of each measured workload, ascending, by block."""
    widths: dict[str, list[tuple[dict[str, int], str]]] = {}
    for item, key in zip(part.items, part.keys, strict=True):
        workload = item.workload
        assert isinstance(workload, SpaceWorkload)
        if key in table.records and workload.block is not None:
            widths.setdefault(workload.block, []).append((dict(workload.widths), key))
    return {block: _swept(rows) for block, rows in widths.items()}


def _swept(rows: list[tuple[dict[str, int], str]]) -> list[tuple[int, str]]:
    first = rows[0][0]
    varying = [name for name in first if len({widths[name] for widths, _ in rows}) > 1]
    name = varying[0] if varying else next(iter(first))
    return sorted((widths[name], key) for widths, key in rows)


def fast(ms: Vector) -> np.ndarray:
    """(N,) bool: which of ascending widths cost less than every larger one. The last one does."""
    return ms < _min_of_larger(ms)


def certain(ms: Vector, margin_pct: float) -> np.ndarray:
    """(N,) bool: which of ascending widths are fast or not by more than the margin; not the last
    one, which always is fast."""
    ratio = 100.0 * (_min_of_larger(ms) / ms - 1.0)
    sure: np.ndarray = np.abs(ratio) > margin_pct
    sure[-1] = False
    return sure


def _min_of_larger(ms: Vector) -> Vector:
    following = np.append(ms[1:], np.inf)
    least: Vector = np.minimum.accumulate(following[::-1])[::-1]
    return least
