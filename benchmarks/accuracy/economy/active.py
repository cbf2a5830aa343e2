"""Errors on networks by the number of blocks measured: drawn at random, or chosen.

Blocks are the rows of a table. A network is a sum of rows, one of each shape, with widths as a
pruner leaves them. Both ways begin with the same random rows. Test networks are random, and no
choice looks at them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_matrix, vstack

from benchmarks.accuracy.study import tables
from lpnet_service.training.design.choosing import chosen
from lpnet_service.training.headers import new_header
from lpnet_service.training.op_process import OpProcessTrainer
from lpnet_service.training.op_process.distinct import DistinctKernels, Matrix
from lpnet_service.training.records import Index, RecordSet, Vector
from lpnet_service.training.threads import one_thread

TABLES = ("tfnas-cpu", "tfnas-gpu")
COUNTS = (30, 60, 120, 240)
RANDOM, ACTIVE = "random", "active"
REFERENCE, TEST, CANDIDATES = 60, 300, 1000
SHAPE = ("in_res", "in_channels", "out_channels", "stride")
# A network keeps this share of its widths, and each of its blocks this much more or less.
_KEPT, _JITTER = (0.3, 1.0), (0.75, 1.25)


@dataclass(frozen=True)
class ActiveCell:
    """The mean error on test networks after so many blocks."""

    table: str
    samples: int
    method: str
    seed: int
    mape_pct: float


@dataclass(frozen=True)
class Replay:
    """A table, its kernels, and which row belongs to which shape of block, with its width."""

    name: str
    records: RecordSet
    kernels: DistinctKernels
    shape: Index
    width: Vector


def replay(name: str) -> Replay:
    source = tables.SOURCES[name]
    rows = [row for row in tables.read(source.file) if source.keep(row)]
    rows = tables.distinct(rows, source.columns)
    records = RecordSet.of(tables.load(name).records)
    shapes = [tuple(row[column] for column in SHAPE) for row in rows]
    return Replay(
        name=name,
        records=records,
        kernels=DistinctKernels.of(records),
        shape=np.unique(shapes, axis=0, return_inverse=True)[1].ravel(),
        width=np.array([float(row["mid_channels"]) for row in rows]),
    )


def cells(name: str, seeds: int) -> Iterator[ActiveCell]:
    table = replay(name)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        order, test = rng.permutation(len(table.records)), networks(table, TEST, rng)
        reference = networks(table, REFERENCE, rng)
        for method in (RANDOM, ACTIVE):
            measured = order[: COUNTS[0]]
            for samples in COUNTS:
                more = samples - len(measured)
                if more and method == RANDOM:
                    measured = order[:samples]
                elif more:
                    new = _chosen(table, measured, reference, more, seed)
                    measured = np.concatenate((measured, new))
                error = _error(table, measured, test, seed)
                yield ActiveCell(name, samples, method, seed, error)


def networks(table: Replay, count: int, rng: np.random.Generator) -> Matrix:
    """Rows of each network (count, shapes): of each shape a random kind of block, at a width near
    the share that the network keeps."""
    shapes = [np.flatnonzero(table.shape == number) for number in np.unique(table.shape)]
    result = []
    for _ in range(count):
        kept = rng.uniform(*_KEPT)
        shares = [kept * rng.uniform(*_JITTER) for _ in shapes]
        pairs = zip(shapes, shares, strict=True)
        result.append([_row(table, own, share, rng) for own, share in pairs])
    return np.array(result)


def _row(table: Replay, rows: Index, kept: float, rng: np.random.Generator) -> int:
    wanted = kept * table.width[rows].max()
    distance = np.abs(table.width[rows] - wanted)
    return int(rng.choice(rows[distance == distance.min()]))


def _chosen(table: Replay, measured: Index, reference: Matrix, count: int, seed: int) -> Index:
    kernels = table.kernels
    total = len(kernels.log_ms)
    ones = np.ones(reference.size)
    rows = np.repeat(np.arange(len(reference)), reference.shape[1])
    of_network = csr_matrix((ones, (rows, reference.ravel())), shape=(len(reference), total))
    joint = replace(
        kernels,
        counts=csr_matrix(vstack((kernels.counts, of_network @ kernels.counts))),
        log_ms=np.concatenate((kernels.log_ms, np.zeros(len(reference)))),
    )
    free = np.setdiff1d(np.arange(total), measured)
    candidates = np.random.default_rng(seed).permutation(free)[:CANDIDATES]
    networks = np.arange(total, total + len(reference))
    with one_thread():
        numbers = chosen(joint, measured, candidates, networks, count, seed)
    return np.asarray(candidates[numbers])


def _error(table: Replay, measured: Index, test: Matrix, seed: int) -> float:
    trainer = OpProcessTrainer()
    training = RecordSet.of([table.records.records[i] for i in measured])
    header = new_header(training, "replay", 1, seed, None)
    with one_thread():
        model = trainer.fit(training, header, lambda share, stage: None, quick=True)
        used, number = np.unique(test, return_inverse=True)
        rows = RecordSet.of([table.records.records[i] for i in used])
        ms = trainer.predict(model, rows).ms[number.reshape(test.shape)].sum(1)
    return float(100.0 * np.abs(ms / table.records.latency[test].sum(1) - 1.0).mean())
