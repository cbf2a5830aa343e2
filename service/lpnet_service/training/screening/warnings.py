"""What is odd in a table that can still be learned from."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from lpnet.schemas.report import TableWarning
from lpnet_service.training.records import Record, Vector
from lpnet_service.training.screening.naming import listed, named
from lpnet_service.training.screening.work import Matrix, neighbours

# A table is rounded if all latencies are multiples of one of these, and half of it is more than
# so large a share of the median.
_QUANTA_MS, _MIN_ROUNDING = (100.0, 10.0, 1.0, 0.1, 0.01, 0.001), 0.02
# Repeated measurements that differ by this factor are noisy, and so is a table if it has so many
# of them, and so large a share of all repeated ones.
_NOISY_RATIO, _MIN_NOISY, _MIN_NOISY_SHARE = 1.5, 3, 0.1
# A latency is far off if it is off the fit, and off those of similar work, by this factor and by
# so many typical errors. A table is noisy if so many are.
_FAR_RATIO, _FAR_SPREADS, _MIN_FAR, _MIN_FAR_SHARE = 1.5, 4.0, 5, 0.04
_NORMAL = 1.4826


def without_copies(
    records: Sequence[Record],
) -> tuple[list[Record], list[TableWarning]]:
    """The records without those that repeat a workload and its latency exactly."""
    counts: Counter[tuple[str, float]] = Counter()
    kept, copied = [], []
    for record in records:
        identity = record.key, record.latency_ms
        counts[identity] += 1
        if counts[identity] == 1:
            kept.append(record)
        elif counts[identity] == 2:
            copied.append(record)
    dropped = len(records) - len(kept)
    if not dropped:
        return kept, []
    copied.sort(key=lambda record: -counts[record.key, record.latency_ms])
    most = max(counts.values())
    message = (
        f"{dropped} samples repeat the workload and the exact latency of another, one of them "
        f"{most} times; each counts once: {named(copied, range(len(copied)))}"
    )
    rows = listed(copied, range(len(copied)))
    return kept, [TableWarning(kind="copies", message=message, n=dropped, samples=rows)]


def rounded(records: Sequence[Record]) -> list[TableWarning]:
    latency = np.array([record.latency_ms for record in records])
    for quantum in _QUANTA_MS:
        multiples = latency / quantum
        if not (np.abs(multiples - np.round(multiples)) <= 1e-6 * multiples).all():
            continue
        error = quantum / 2.0 / float(np.median(latency))
        if error <= _MIN_ROUNDING:
            return []
        order = np.argsort(latency, kind="stable").tolist()
        message = (
            f"all latencies are multiples of {quantum:g} ms. Such rounding is an error of up to "
            f"{100.0 * error:.0f}% of the median: {named(records, order)}"
        )
        rows = listed(records, order)
        return [TableWarning(kind="rounded", message=message, n=len(records), samples=rows)]
    return []


def noisy(records: Sequence[Record], work: Matrix, errors: Vector) -> list[TableWarning]:
    """`errors` (N,) are those of the logs of latencies."""
    return _noisy_repeats(records) or _noisy_neighbours(records, work, errors)


def _noisy_repeats(records: Sequence[Record]) -> list[TableWarning]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, record in enumerate(records):
        rows[record.key].append(row)
    repeated = [of_workload for of_workload in rows.values() if len(of_workload) > 1]
    ratios = []
    for of_workload in repeated:
        latencies = [records[row].latency_ms for row in of_workload]
        ratios.append(max(latencies) / min(latencies))
    noisy_ones = [i for i in np.argsort(ratios)[::-1].tolist() if ratios[i] > _NOISY_RATIO]
    if len(noisy_ones) < max(_MIN_NOISY, _MIN_NOISY_SHARE * len(repeated)):
        return []
    named_rows = [row for i in noisy_ones for row in repeated[i]]
    message = (
        f"measured again, {len(noisy_ones)} of {len(repeated)} workloads differ by more than "
        f"{100.0 * (_NOISY_RATIO - 1.0):.0f}%: {named(records, named_rows)}"
    )
    return [_warning("noisy", message, records, named_rows)]


def _noisy_neighbours(
    records: Sequence[Record], work: Matrix, errors: Vector
) -> list[TableWarning]:
    apart = errors - np.median(errors[neighbours(work)], axis=1)
    limits = [_limit(values) for values in (errors, apart)]
    is_far = (np.abs(errors) > limits[0]) & (np.abs(apart) > limits[1])
    far = [row for row in np.argsort(-np.abs(apart)).tolist() if is_far[row]]
    if len(far) < max(_MIN_FAR, _MIN_FAR_SHARE * len(records)):
        return []
    message = (
        f"{len(far)} of {len(records)} samples are more than {100.0 * np.expm1(max(limits)):.0f}% "
        f"off those of similar size, the others much less: {named(records, far)}"
    )
    return [_warning("noisy", message, records, far)]


def _limit(errors: Vector) -> float:
    return max(math.log(_FAR_RATIO), _FAR_SPREADS * _NORMAL * float(np.median(np.abs(errors))))


def _warning(
    kind: str, message: str, records: Sequence[Record], rows: Sequence[int]
) -> TableWarning:
    return TableWarning(kind=kind, message=message, n=len(rows), samples=listed(records, rows))
