"""Screening on latency tables of others: they pass, and damage to them is noticed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from benchmarks.accuracy.study import tables

from lpnet.errors import LpnetError
from lpnet_service.training import Record
from lpnet_service.training.screening import screened

pytestmark = [
    pytest.mark.tables,
    pytest.mark.parametrize("name", ["tfnas-gpu", "tfnas-cpu", "alexnet-8", "ofa-jetson"]),
]


@cache
def _load(name: str) -> tuple[Record, ...]:
    return tables.load(name).records


def _drawn(name: str, count: int, seed: int) -> list[Record]:
    records = _load(name)
    rng = np.random.default_rng(seed)
    return [records[i] for i in rng.choice(len(records), count, replace=False)]


def _with_latencies(records: Sequence[Record], latency: np.ndarray) -> list[Record]:
    return [replace(r, latency_ms=float(ms)) for r, ms in zip(records, latency, strict=True)]


def test_parts_of_a_table_pass_without_a_warning(name: str) -> None:
    for count in (30, 100, 800):
        records = _drawn(name, count, 1)
        result = screened(records)
        assert list(result.records) == records
        assert result.warnings == ()


def test_seconds_constants_and_shuffled_latencies_are_refused(name: str) -> None:
    records = _drawn(name, 200, 2)
    latency = np.array([record.latency_ms for record in records])
    shuffled = np.random.default_rng(0).permutation(latency)
    in_seconds = np.where(np.arange(200) % 3 == 0, latency / 1000, latency)
    for wrong, message in (
        (in_seconds, "67 of 200 samples .* seconds"),
        (np.full(200, latency[0]), "all 200 samples have the same latency"),
        (shuffled, "200 blocks have nothing to do with"),
    ):
        with pytest.raises(LpnetError, match=message):
            screened(_with_latencies(records, wrong))


def test_a_single_wrong_row_is_left_out(name: str) -> None:
    records = _drawn(name, 200, 3)
    for factor in (1e3, 1e-3):
        latency = np.array([record.latency_ms for record in records])
        latency[7] *= factor
        result = screened(_with_latencies(records, latency))
        assert len(result.records) == 199
        assert [row.workload for row in result.warnings[0].samples] == [records[7].key]
