"""Trainings, studies and quick provisional fits: records in, LPNet and report out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lpnet.errors import LpnetError
from lpnet.model.header import Header
from lpnet.model.kernels import coverage
from lpnet.model.lpnet import LPNet
from lpnet.schemas.memory import MemoryLimits
from lpnet.schemas.report import Report
from lpnet_service.training.calibration import calibrate
from lpnet_service.training.fitting import QUICK, Effort, fit, unseen_by
from lpnet_service.training.judging import report
from lpnet_service.training.records import Data, Record, by_workload, enough
from lpnet_service.training.threads import one_thread

Progress = Callable[[float, str], None]
# Shares of a training's time, for progress.
_FITTED, _CALIBRATED = 0.7, 0.75


def train(
    records: Sequence[Record],
    *,
    target: str,
    epoch: int,
    seed: int,
    noise_floor_pct: float | None,
    progress: Progress,
    memory: MemoryLimits | None = None,
) -> tuple[LPNet, Report]:
    """An LPNet learnt from the records that are not held out, judged on those that are.

    `noise_floor_pct` is the spread between sessions, in percent, None where nobody measured it.
    `memory` says where networks stop fitting, and travels with the LPNet.
    `progress` takes the share done (0 to 1) and what is being done. Raises LpnetError, saying what
    is missing, for too few samples to learn from.
    """
    learnt, judged = _sides(records, [record.held_out for record in records])
    with one_thread():
        lpnet, found = _run(learnt, judged, target, epoch, seed, noise_floor_pct, progress)
    lpnet.header = lpnet.header.model_copy(update={"memory": memory})
    return lpnet, found


def study(
    records: Sequence[Record],
    *,
    samples: int,
    seed: int,
    target: str,
    epoch: int,
    noise_floor_pct: float | None,
    progress: Progress,
) -> Report:
    """Trains on `samples` records drawn with `seed`, judges on all others.

    Whether a record is held out does not matter here. Records of one workload fall on one side;
    workloads are drawn until there is room for no further one in `samples`. Raises LpnetError
    where fewer than `samples` and one are there.
    """
    workloads = by_workload(records)
    count = len(records)
    if count <= samples:
        raise LpnetError(f"a study on {samples} samples needs more than that; there are {count}")
    sizes = np.bincount(workloads)
    distinct = np.random.default_rng(seed).permutation(np.unique(workloads))
    drawn: set[int] = set()
    left = samples
    for workload in distinct.tolist():
        # One that was measured more often than there is room for is passed over.
        if sizes[workload] <= left:
            drawn.add(workload)
            left -= int(sizes[workload])
    if not drawn:
        raise LpnetError(
            f"every workload has more than {samples} samples: nothing is left to learn from"
        )
    if len(drawn) == len(distinct):
        raise LpnetError(
            "the drawn samples are of all workloads there are: nothing is left to judge"
        )
    learnt, judged = _sides(records, [int(w) not in drawn for w in workloads])
    with one_thread():
        return _run(learnt, judged, target, epoch, seed, noise_floor_pct, progress)[1]


def provisional(
    records: Sequence[Record], *, target: str, seed: int, memory: MemoryLimits | None = None
) -> LPNet:
    """A quick, rough fit to all records, for planning what to measure next; not calibrated well.

    Raises LpnetError for too few samples to learn from.
    """
    enough(records, "a provisional LPNet")
    data = Data.of(records)
    header = _header(data, target, 1, seed, None, QUICK).model_copy(update={"memory": memory})
    unseen = unseen_by(data, QUICK.members, seed)
    with one_thread():
        lpnet = fit(data, header, QUICK, unseen, lambda share: None)
        return calibrate(lpnet, data, unseen, None)


def _run(
    learnt: Sequence[Record],
    judged: Sequence[Record],
    target: str,
    epoch: int,
    seed: int,
    noise_floor_pct: float | None,
    progress: Progress,
) -> tuple[LPNet, Report]:
    enough(learnt, "a training")
    progress(0.0, "preparing features")
    data, effort = Data.of(learnt), Effort()
    header = _header(data, target, epoch, seed, noise_floor_pct, effort)
    unseen = unseen_by(data, effort.members, seed)
    lpnet = fit(data, header, effort, unseen, lambda share: progress(_FITTED * share, "fitting"))
    progress(_FITTED, "calibrating")
    calibrate(lpnet, data, unseen, noise_floor_pct)
    known = [record for record in judged if _covered(record, header)]
    found = report(
        lpnet,
        data,
        Data.of(known) if known else None,
        seed=seed,
        progress=lambda share, stage: progress(_CALIBRATED + (1 - _CALIBRATED) * share, stage),
    )
    if len(known) < len(judged):
        why = f"{len(judged) - len(known)} workloads hold ops that nothing learnt from has"
        found = found.model_copy(update={"reasons": {**found.reasons, "held_out.uncovered": why}})
    progress(1.0, "done")
    return lpnet, found


def _sides(records: Sequence[Record], judged: Sequence[bool]) -> tuple[list[Record], list[Record]]:
    """Records to learn from, and to judge on."""
    pairs = list(zip(records, judged, strict=True))
    return [r for r, other in pairs if not other], [r for r, other in pairs if other]


def _covered(record: Record, header: Header) -> bool:
    return record.batch in header.batches and set(coverage(record.table)) <= set(header.coverage)


def _header(
    data: Data,
    target: str,
    epoch: int,
    seed: int,
    noise_floor_pct: float | None,
    effort: Effort,
) -> Header:
    tables = [record.table for record in data.records]
    kinds = dict.fromkeys(text for table in tables for text in coverage(table))
    channels = np.concatenate([np.concatenate((table.b_in, table.b_out)) for table in tables])
    pixels = [row.h * row.w for table in tables for row in table.rows]
    networks = int(data.network.sum())
    return Header(
        target=target,
        epoch=epoch,
        seed=seed,
        members=effort.members,
        hidden=effort.hidden,
        batches=tuple(sorted({record.batch for record in data.records})),
        coverage=tuple(sorted(kinds)),
        ranges={
            "channels": (float(channels.min()), float(channels.max())),
            "pixels": (float(min(pixels)), float(max(pixels))),
            "latency_ms": (float(data.latency.min()), float(data.latency.max())),
        },
        trained_on={"block": len(data) - networks, "network": networks},
        noise_floor_pct=noise_floor_pct,
    )
