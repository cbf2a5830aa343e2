"""Samples by name, for messages and reports."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import islice

from lpnet.schemas.report import SuspectSample
from lpnet_service.training.records import Record

_MAX_NAMED, _MAX_LISTED = 5, 20


def named(records: Sequence[Record], rows: Sequence[int] | Iterable[int]) -> str:
    """The first of the rows with their latencies, for a message."""
    rows = list(rows)
    texts = [f"{_name(records[row])} ({records[row].latency_ms:.6g})" for row in rows[:_MAX_NAMED]]
    more = f" and {len(rows) - len(texts)} more" if len(rows) > len(texts) else ""
    return ", ".join(texts) + more


def listed(records: Sequence[Record], rows: Iterable[int]) -> tuple[SuspectSample, ...]:
    return tuple(
        SuspectSample(
            sample=records[row].sample,
            workload=records[row].key,
            latency_ms=records[row].latency_ms,
        )
        for row in islice(rows, _MAX_LISTED)
    )


def _name(record: Record) -> str:
    return f"workload {record.key}" if record.sample is None else f"sample {record.sample}"
