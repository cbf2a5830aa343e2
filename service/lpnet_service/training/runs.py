"""Trainings, studies and quick provisional fits: records in, latency model and report out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lpnet.errors import LpnetError
from lpnet.model.base import LatencyModel
from lpnet.model.header import Header
from lpnet.schemas.memory import MemoryLimits
from lpnet.schemas.report import Report
from lpnet_service.training.headers import new_header
from lpnet_service.training.records import Record, RecordSet, by_workload, require_samples
from lpnet_service.training.registry import QUICK_KIND, TRAINED_KIND, trainer_of
from lpnet_service.training.reporting import report
from lpnet_service.training.screening import Screened, screened
from lpnet_service.training.threads import one_thread
from lpnet_service.training.trainer import Progress, Trainer
from lpnet_service.training.transfer import MAX_SAMPLES, Source
from lpnet_service.training.uncovered import covered

# Share of a training's time that the fit takes, for progress.
_FITTED = 0.75


def train(
    records: Sequence[Record],
    *,
    target: str,
    epoch: int,
    seed: int,
    noise_floor_pct: float | None,
    progress: Progress,
    memory: MemoryLimits | None = None,
    kind: str = TRAINED_KIND,
    sources: Sequence[Source] = (),
) -> tuple[LatencyModel, Report]:
    """Train a model of that kind on the records that are not held out, and report its errors on
    those that are.

    `noise_floor_pct` is the spread between sessions, in percent; None if it was not measured.
    `memory` says which networks do not fit, and is stored with the model. A training on at most
    MAX_SAMPLES records may begin with one of `sources`. Raises LpnetError, with the counts, for
    too few samples, and for a table that `screened` refuses.
    """
    table = screened(records)
    training, test = _split(table.records, [record.held_out for record in table.records])
    header = new_header(training, target, epoch, seed, noise_floor_pct, memory)
    trainer = trainer_of(kind, sources if len(training) <= MAX_SAMPLES else ())
    with one_thread():
        model, result = _fit_and_report(training, test, header, trainer, progress)
    return model, _with_warnings(result, table)


def study(
    records: Sequence[Record],
    *,
    samples: int,
    seed: int,
    target: str,
    epoch: int,
    noise_floor_pct: float | None,
    progress: Progress,
    kind: str = TRAINED_KIND,
) -> Report:
    """The report of a training on `samples` records drawn with `seed`, tested on all others.

    Ignores which records are held out. Records of one workload are drawn together, until no
    further workload fits in `samples`. Raises LpnetError if there are not more than `samples`
    records, and for a table that `screened` refuses.
    """
    table = screened(records)
    workloads = by_workload(table.records)
    drawn = _drawn_workloads(workloads, samples, seed)
    training, test = _split(table.records, [int(workload) not in drawn for workload in workloads])
    header = new_header(training, target, epoch, seed, noise_floor_pct)
    with one_thread():
        result = _fit_and_report(training, test, header, trainer_of(kind), progress)[1]
    return _with_warnings(result, table)


def provisional(
    records: Sequence[Record],
    *,
    target: str,
    seed: int,
    memory: MemoryLimits | None = None,
    kind: str = QUICK_KIND,
) -> LatencyModel:
    """A quick, rough fit to all records, for planning what to measure next; its intervals are
    rough too.

    Raises LpnetError for too few samples, and for a table that `screened` refuses.
    """
    table = screened(records)
    require_samples(table.records, "a provisional LPNet")
    training = RecordSet.of(table.records)
    header = new_header(training, target, 1, seed, None, memory)
    trainer: Trainer[LatencyModel] = trainer_of(kind)
    with one_thread():
        return trainer.fit(training, header, lambda share, stage: None, quick=True)


def _drawn_workloads(workloads: np.ndarray, samples: int, seed: int) -> set[int]:
    count = len(workloads)
    if count <= samples:
        raise LpnetError(f"a study on {samples} samples needs more than that; there are {count}")
    sizes = np.bincount(workloads)
    distinct = np.random.default_rng(seed).permutation(np.unique(workloads))
    drawn: set[int] = set()
    remaining = samples
    for workload in distinct.tolist():
        # A workload with more records than remain is skipped.
        if sizes[workload] <= remaining:
            drawn.add(workload)
            remaining -= int(sizes[workload])
    if not drawn:
        raise LpnetError(
            f"every workload has more than {samples} samples: nothing is left to train on"
        )
    if len(drawn) == len(distinct):
        raise LpnetError("the drawn samples are of all workloads: nothing is left to test on")
    return drawn


def _fit_and_report(
    training: RecordSet,
    test: Sequence[Record],
    header: Header,
    trainer: Trainer[Any],
    progress: Progress,
) -> tuple[LatencyModel, Report]:
    progress(0.0, "preparing features")
    model = trainer.fit(training, header, lambda share, stage: progress(_FITTED * share, stage))
    predictable, reasons = covered(header, test)
    result = report(
        trainer,
        model,
        training,
        RecordSet.of(predictable) if predictable else None,
        seed=header.seed,
        progress=lambda share, stage: progress(_FITTED + (1 - _FITTED) * share, stage),
    )
    progress(1.0, "done")
    return model, result.model_copy(update={"reasons": result.reasons | reasons})


def _with_warnings(result: Report, table: Screened) -> Report:
    return result.model_copy(update={"warnings": table.warnings})


def _split(records: Sequence[Record], held_out: Sequence[bool]) -> tuple[RecordSet, list[Record]]:
    pairs = list(zip(records, held_out, strict=True))
    training = [record for record, out in pairs if not out]
    require_samples(training, "a training")
    return RecordSet.of(training), [record for record, out in pairs if out]
