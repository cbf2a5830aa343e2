"""Held-out workloads that a model cannot predict, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from lpnet.model.header import Header
from lpnet_service.training.records import Record

_MAX_NAMED = 5


def covered(header: Header, records: Sequence[Record]) -> tuple[list[Record], dict[str, str]]:
    """The records that a model covers, and the reasons for leaving out the others."""
    batches: Counter[int] = Counter()
    ops: Counter[str] = Counter()
    kept, with_other_ops = [], 0
    for record in records:
        missing = header.uncovered(record.table, record.batch)
        if not missing:
            kept.append(record)
        elif record.batch not in header.batches:
            batches[record.batch] += 1
        else:
            ops.update(missing)
            with_other_ops += 1
    reasons = {}
    if batches:
        reasons["held_out.batch"] = _other_batches(batches, header.batches)
    if ops:
        reasons["held_out.uncovered"] = _other_ops(ops, with_other_ops)
    return kept, reasons


def _other_batches(batches: Counter[int], trained: Sequence[int]) -> str:
    counts = ", ".join(f"{count} of batch {size}" for size, count in sorted(batches.items()))
    sizes = ", ".join(str(size) for size in trained)
    return (
        f"{batches.total()} workloads have batch sizes without a training sample ({counts}); "
        f"there are training samples of batch {sizes}"
    )


def _other_ops(ops: Counter[str], workloads: int) -> str:
    named = [op for op, _ in ops.most_common(_MAX_NAMED)]
    more = f" and {len(ops) - len(named)} more" if len(ops) > len(named) else ""
    return f"{workloads} workloads hold ops that no training sample has: {', '.join(named)}{more}"
