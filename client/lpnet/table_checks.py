"""What looks wrong with latencies that somebody measured elsewhere, before they are stored."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np

from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import OpsWorkload, workload_key
from lpnet.space.table import OpTable

# No device of 2026 does 1e15 multiply-accumulates a second on such workloads, and none runs a
# network in less than a tenth of a microsecond.
_MAX_MACS_PER_S = 1e15
_MIN_MS = 1e-4
_UNIT_FACTORS = (700.0, 1400.0)
_MIN_SORTED = 20
_MAX_COUNTED = 500


def unit_doubt(samples: Sequence[Sample], stored: Sequence[Sample] = ()) -> str | None:
    """Why the latencies seem to be in another unit than ms; None if nothing speaks for it.

    `stored` are samples of the same target, to compare the same workloads.
    """
    ratios = list(_ratios(samples, stored))
    low, high = _UNIT_FACTORS
    for ratio, slower, faster in (
        (np.median(ratios) if ratios else 1.0, "these", "stored ones"),
        (1 / np.median(ratios) if ratios else 1.0, "stored ones", "these"),
    ):
        if low <= ratio <= high:
            return f"of the same workloads, {slower} take {ratio:.0f} times as long as {faster}"
    if samples and np.median([sample.latency_ms for sample in samples]) < _MIN_MS:
        return "most latencies are below 0.1 microseconds"
    rates = list(_macs_per_s(samples))
    if rates and np.median(rates) > _MAX_MACS_PER_S:
        return f"they imply {np.median(rates):.1e} multiply-accumulates a second"
    return None


def warnings(samples: Sequence[Sample]) -> Iterator[str]:
    """Exact copies, one workload in two units, and rows that are sorted by latency."""
    pairs = [(workload_key(sample.workload), sample.latency_ms) for sample in samples]
    copies = len(pairs) - len(set(pairs))
    if copies:
        yield f"rows that are exact copies of earlier ones: {copies}; training counts each once"
    by_workload: defaultdict[str, list[float]] = defaultdict(list)
    for key, latency in pairs:
        by_workload[key].append(latency)
    low, high = _UNIT_FACTORS
    mixed = sum(low <= max(group) / min(group) <= high for group in by_workload.values())
    if mixed:
        yield f"{mixed} workloads have latencies about 1,000 times apart: are units mixed?"
    latencies = [latency for _, latency in pairs]
    steps = Counter(np.sign(after - before) for before, after in pairwise(latencies))
    if len(set(latencies)) >= _MIN_SORTED and not (steps[-1] and steps[1]):
        yield (
            "the rows are sorted by latency: if that column was sorted alone, latencies belong to "
            "other workloads"
        )


def _ratios(samples: Sequence[Sample], stored: Sequence[Sample]) -> Iterator[float]:
    latencies = {workload_key(sample.workload): sample.latency_ms for sample in stored}
    for sample in samples:
        other = latencies.get(workload_key(sample.workload))
        if other is not None:
            yield sample.latency_ms / other


def _macs_per_s(samples: Sequence[Sample]) -> Iterator[float]:
    for sample in samples[:_MAX_COUNTED]:
        if isinstance(sample.workload, OpsWorkload):
            table = OpTable.from_ops(sample.workload.ops)
            macs = float(table.macs(np.zeros((1, 0)))[0]) * sample.workload.batch
            yield macs / (sample.latency_ms / 1000)
