"""Other targets with whose samples a training may begin."""

from __future__ import annotations

from collections.abc import Sequence

from lpnet.model.kernels import coverage
from lpnet_service.db.rows import TargetRow
from lpnet_service.repositories.devices import DeviceRepository
from lpnet_service.repositories.samples import SampleRepository
from lpnet_service.services.shared.context import Context
from lpnet_service.services.shared.targets import require_target
from lpnet_service.training import MAX_SAMPLES, MAX_SOURCE_SAMPLES, Record, Source
from lpnet_service.worker import dataset
from lpnet_service.worker.dataset import Dataset

# A target with fewer samples than this is no source; so many sources are tried at most.
MIN_SOURCE_SAMPLES, MAX_SOURCES = 30, 2
# Targets whose samples are looked at; those of the same device come first.
_MAX_READ = 5


def closest(ctx: Context, data: Dataset) -> list[Source]:
    """The targets whose samples have most of the ops of `data`; none if `data` has samples enough.

    Of two that have the same share, the one of the same device comes first, then the one with more
    samples.
    """
    training = [record for record in data.records if not record.held_out]
    if not training or len(training) > MAX_SAMPLES:
        return []
    needed = _ops(training)
    ranked = []
    for order, (row, same_device) in enumerate(_candidates(ctx, data.target)):
        records = dataset.load(ctx, row.name, limit=MAX_SOURCE_SAMPLES).records
        shared = len(needed & _ops(records)) / len(needed)
        if shared:
            ranked.append((-shared, order, Source(row.name, records, same_device)))
    return [source for _, _, source in sorted(ranked, key=lambda own: own[:2])[:MAX_SOURCES]]


def _candidates(ctx: Context, target: str) -> list[tuple[TargetRow, bool]]:
    """Other targets with enough samples, and whether they are of the same device: these first,
    then by their samples."""
    with ctx.db.read() as session:
        own = require_target(session, target)
        counted = []
        for row in DeviceRepository(session).list_targets():
            count = len(SampleRepository(session).trainable_workloads(row.name, row.epoch))
            if row.name != target and count >= MIN_SOURCE_SAMPLES:
                counted.append((row.device != own.device, -count, row.name, row))
    first = sorted(counted, key=lambda entry: entry[:3])[:_MAX_READ]
    return [(row, not other_device) for other_device, _, _, row in first]


def _ops(records: Sequence[Record]) -> set[str]:
    return {op for record in records for op in coverage(record.table)}
