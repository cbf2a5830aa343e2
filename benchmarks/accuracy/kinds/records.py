"""Samples as records to train on and to test with: who is held out, and how noisy they are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from statistics import mean, median

import numpy as np

from lpnet.schemas.sample import Sample
from lpnet.schemas.workload import SpaceWorkload, workload_key
from lpnet.space.space import Space
from lpnet.space.table import OpTable
from lpnet_service.training import Record
from lpnet_service.training.baselines.lookup import signature

# Of the blocks of a space, and of its networks without the dense one.
BLOCK_SHARE, NETWORK_SHARE = 0.25, 0.55
MIN_REPEATED = 3


@dataclass(frozen=True)
class Sides:
    """Records with their side, and those on neither: blocks of which a held-out network consists,
    which would otherwise be trained on."""

    records: tuple[Record, ...]
    left_out: tuple[Record, ...]


def records(samples: Iterable[Sample], spaces: Mapping[str, Space]) -> list[Record]:
    """The undisturbed samples of some spaces, by hash; none of them is held out."""
    tables: dict[str, OpTable] = {}
    result = []
    for sample in samples:
        workload = sample.workload
        if sample.disturbed or not isinstance(workload, SpaceWorkload):
            continue
        if workload.space not in spaces:
            continue
        key = workload_key(workload)
        if key not in tables:
            space = spaces[workload.space]
            part = space if workload.block is None else space.block(workload.block)
            tables[key] = OpTable.from_ops(part.ops(workload.widths))
        result.append(
            Record(
                key=key,
                kind=sample.kind,
                table=tables[key],
                batch=workload.batch,
                latency_ms=sample.latency_ms,
                draw=sample.draw,
                space=workload.space,
                widths=workload.widths,
                held_out=False,
            )
        )
    return result


def content(table: OpTable, batch: int) -> Hashable:
    """Equal for workloads of the same ops with the same channels, whatever they are called."""
    channels = (tuple(part.tolist()) for part in (table.b_in, table.b_out, table.b_g))
    return (signature(table, batch), *channels)


def split(samples: Sequence[Record], spaces: Mapping[str, Space], seed: int) -> Sides:
    """Hold out a share of the blocks and of the networks of each space.

    Workloads of the same content are on the same side. A dense network is never held out: it
    bounds what the LPNet is trained on. No block that a held-out network consists of is trained
    on, with the widths that it has there.
    """
    rng = np.random.default_rng(seed)
    contents = [content(record.table, record.batch) for record in samples]
    held_out: set[Hashable] = set()
    for kind, share in (("block", BLOCK_SHARE), ("network", NETWORK_SHARE)):
        for space in spaces:
            distinct = dict.fromkeys(
                own
                for record, own in zip(samples, contents, strict=True)
                if (record.kind, record.space) == (kind, space)
                and not (kind == "network" and record.draw == "dense")
            )
            listed = list(distinct)
            count = ceil(share * len(listed)) if len(listed) > 1 else 0
            held_out |= {listed[i] for i in rng.permutation(len(listed))[:count]}
    parts = _parts(samples, contents, held_out, spaces)
    chosen, left_out = [], []
    for record, own in zip(samples, contents, strict=True):
        if own in held_out:
            chosen.append(replace(record, held_out=True))
        elif record.kind == "block" and own in parts:
            left_out.append(record)
        else:
            chosen.append(record)
    return Sides(tuple(chosen), tuple(left_out))


def _parts(
    samples: Sequence[Record],
    contents: Sequence[Hashable],
    held_out: set[Hashable],
    spaces: Mapping[str, Space],
) -> set[Hashable]:
    """The contents of the blocks of all held-out networks."""
    parts: set[Hashable] = set()
    for record, own in zip(samples, contents, strict=True):
        if record.kind != "network" or own not in held_out or record.space is None:
            continue
        for block in spaces[record.space].blocks:
            parts.add(content(record.table.slice(block.start, block.stop), record.batch))
    return parts


def noise_pct(samples: Iterable[Sample]) -> float | None:
    """The median difference between two sessions of the same workload, relative to their mean, in
    percent; None if fewer than MIN_REPEATED workloads were repeated."""
    sessions: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for sample in samples:
        if not sample.disturbed and sample.session is not None:
            sessions[workload_key(sample.workload)][sample.session].append(sample.latency_ms)
    spreads = []
    for own in sessions.values():
        medians = [median(latencies) for latencies in own.values()]
        if len(medians) > 1:
            spreads.append(abs(medians[0] - medians[1]) / mean(medians[:2]))
    return 100.0 * median(spreads) if len(spreads) >= MIN_REPEATED else None
