"""Training one LPNet on all spaces, and comparing its predictions with held-out workloads."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import torch

from benchmarks.accuracy.kinds.baselines import predictions
from benchmarks.accuracy.kinds.catalogue import Case
from benchmarks.accuracy.kinds.measuring import Measured
from benchmarks.accuracy.kinds.records import Sides, content, noise_pct, records, split
from benchmarks.accuracy.kinds.results import Counts, Op, Results, Workload
from lpnet.errors import LpnetError
from lpnet.model.base import LatencyModel
from lpnet.model.kernels import Kernel, kernels
from lpnet.model.op_types import EDGES
from lpnet.progress import Progress
from lpnet.schemas.sample import StoredSample
from lpnet.schemas.workload import SpaceWorkload, workload_key
from lpnet.space.space import Space
from lpnet.space.table import OpTable
from lpnet_service.training import Record, train
from lpnet_service.training.records import RecordSet
from lpnet_service.training.registry import trainer_of

COVERAGE = 0.9
# Kernels of a workload that are listed, those with the longest predicted time.
MAX_OPS = 4


def judge(
    measured: Measured,
    cases: Mapping[str, Case],
    spaces: Mapping[str, Space],
    *,
    seed: int,
    quick: bool,
    measuring_s: float | None,
    progress: Progress,
) -> Results:
    """Train on one side of the split and test on the other; `cases` and `spaces` are by hash.

    Raises LpnetError if nothing was held out, or too few samples are left to train on.
    """
    sides = split(records(measured.samples, spaces), spaces, seed)
    training = [record for record in sides.records if not record.held_out]
    test = _distinct([record for record in sides.records if record.held_out])
    if not test:
        raise LpnetError("no workload is held out: measure more")
    began = time.monotonic()
    model, _ = train(
        sides.records,
        target=measured.target.name,
        epoch=measured.target.epoch,
        seed=seed,
        noise_floor_pct=measured.target.noise_floor_pct,
        progress=lambda share, stage: progress(stage, share, 1.0),
    )
    training_s = time.monotonic() - began
    covered = [r for r in test if not model.header.uncovered(r.table, r.batch)]
    spec = measured.target.spec
    return Results(
        date=datetime.now(UTC).date().isoformat(),
        quick=quick,
        seed=seed,
        cpu=measured.cpu,
        target=f"{spec.runtime} {spec.runtime_version}, {spec.precision}, {spec.threads} thread",
        noise_floor_pct=measured.target.noise_floor_pct,
        measuring_s=measuring_s,
        training_s=training_s,
        counts=[
            _counts(cases[hash_], hash_, measured.samples, sides, test, covered)
            for hash_ in spaces
        ],
        workloads=_workloads(model, training, covered, cases, _block_names(measured.samples)),
    )


def _distinct(test: Sequence[Record]) -> list[Record]:
    """A record per content, with the median of its latencies."""
    groups: dict[Hashable, list[Record]] = {}
    for record in test:
        groups.setdefault(content(record.table, record.batch), []).append(record)
    return [
        replace(own[0], latency_ms=float(np.median([record.latency_ms for record in own])))
        for own in groups.values()
    ]


def _workloads(
    model: LatencyModel,
    training: Sequence[Record],
    test: Sequence[Record],
    cases: Mapping[str, Case],
    blocks: Mapping[str, str | None],
) -> list[Workload]:
    if not test:
        return []
    predicted = trainer_of(model.kind).predict(model, RecordSet.of(test))
    baselines = predictions(training, test)
    result = []
    for index, record in enumerate(test):
        assert record.space is not None
        factor = model.header.calibration.quantile(COVERAGE, record.kind)
        error = abs(float(np.log(record.latency_ms / predicted.ms[index])))
        values = {name: float(ms[index]) for name, ms in baselines.items()}
        result.append(
            Workload(
                space=cases[record.space].name,
                kind=record.kind,
                block=blocks[record.key],
                draw=record.draw or "",
                measured_ms=record.latency_ms,
                predicted_ms=float(predicted.ms[index]),
                inside=bool(error <= factor * predicted.spread[index]),
                baselines={k: v if np.isfinite(v) else None for k, v in values.items()},
                ops=_ops(model, record),
            )
        )
    return result


def _block_names(samples: Sequence[StoredSample]) -> dict[str, str | None]:
    """The block of each workload by its key; None for a network."""
    return {
        workload_key(sample.workload): sample.workload.block
        for sample in samples
        if isinstance(sample.workload, SpaceWorkload)
    }


def _ops(model: LatencyModel, record: Record) -> list[Op]:
    """The kernels with the longest predicted time; equal ones count together."""
    with torch.no_grad():
        prices = model.bind(record.table, record.batch).kernel_ms(torch.zeros(0)).tolist()
    total: Counter[str] = Counter()
    for kernel, price in zip(kernels(record.table), prices, strict=True):
        total[describe(record.table, kernel)] += price
    whole = sum(total.values())
    return [Op(name, price / whole) for name, price in total.most_common(MAX_OPS)]


def describe(table: OpTable, kernel: Kernel) -> str:
    """The type, function and channels of a kernel, as a person reads them."""
    if kernel.type in EDGES:
        return kernel.type
    row, index = table.rows[kernel.row], kernel.row
    own = row.function if row.type != "activation" else None
    names = [kernel.type, own, kernel.function]
    if max(row.kernel) > 1 and row.type != "pool":
        names.append(f"{row.kernel[0]}x{row.kernel[1]}")
    channels = f"{table.b_in[index]:.0f}-{table.b_out[index]:.0f}"
    size = f"at {row.h_out}x{row.w_out}"
    return " ".join([*(name for name in names if name), channels, size])


def _counts(
    case: Case,
    hash_: str,
    samples: Sequence[StoredSample],
    sides: Sides,
    test: Sequence[Record],
    covered: Sequence[Record],
) -> Counts:
    own = [
        s for s in samples if isinstance(s.workload, SpaceWorkload) and s.workload.space == hash_
    ]
    trained = {
        content(r.table, r.batch): r.kind
        for r in sides.records
        if r.space == hash_ and not r.held_out
    }
    tested = {r.key: r.kind for r in test if r.space == hash_}
    kept = {r.key for r in covered if r.space == hash_}
    by_kind, tested_by_kind = Counter(trained.values()), Counter(tested.values())
    return Counts(
        space=case.name,
        kind=case.kind,
        trained_blocks=by_kind["block"],
        trained_networks=by_kind["network"],
        held_out_blocks=tested_by_kind["block"],
        held_out_networks=tested_by_kind["network"],
        disturbed=sum(sample.disturbed for sample in own),
        left_out=len({content(r.table, r.batch) for r in sides.left_out if r.space == hash_}),
        uncovered=len(tested) - len(kept),
        noise_floor_pct=noise_pct(own),
    )
