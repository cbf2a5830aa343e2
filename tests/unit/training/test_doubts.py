"""Samples that a fit without them does not explain are doubted."""

from __future__ import annotations

from dataclasses import replace

from lpnet_service.training import Record, doubted
from lpnet_service.training.doubts import MIN_WORKLOADS


def slower(records: list[Record], indices: list[int], factor: float) -> list[Record]:
    return [
        replace(record, latency_ms=factor * record.latency_ms) if i in indices else record
        for i, record in enumerate(records)
    ]


def test_samples_that_are_much_slower_are_doubted(records: list[Record]) -> None:
    wrong = [3, 40, 77]
    spoilt = slower(records, wrong, 1.6)
    keys = {records[i].key for i in wrong}
    found = doubted(spoilt, target="comb", seed=0)
    assert keys <= {doubt.key for doubt in found[: 2 * len(wrong)]}
    assert all(doubt.measured_ms > 1.1 * doubt.predicted_ms for doubt in found)


def test_few_workloads_are_not_doubted(records: list[Record]) -> None:
    few = slower(records[: MIN_WORKLOADS - 1], [3], 10.0)
    assert doubted(few, target="comb", seed=0) == []
