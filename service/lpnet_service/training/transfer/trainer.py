"""Trains from scratch and with each source, and keeps what cross-validates best."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lpnet.model.base import LatencyModel
from lpnet.model.header import Header
from lpnet.model.op_process import OpProcess, OpProcessHeader
from lpnet_service.training.conformal import calibration
from lpnet_service.training.headers import new_header
from lpnet_service.training.op_process import OpProcessTrainer
from lpnet_service.training.op_process.fitting import FULL, MIN_NOISE, QUICK
from lpnet_service.training.op_process.trainer import model_of
from lpnet_service.training.records import Index, RecordSet, by_workload
from lpnet_service.training.trainer import Predictions, Progress, Trainer
from lpnet_service.training.transfer.relation import relate
from lpnet_service.training.transfer.sources import Source, fit_source

# An error counts as this at most, so that a single one does not decide.
MAX_ERROR = 1.0
# A source of another device is taken if its cross-validated error is at most this share of that
# from scratch: with few samples, a smaller lead is chance.
MAX_SHARE = 0.75
Crossed = tuple[LatencyModel, Predictions]


class TransferTrainer(Trainer[LatencyModel]):
    """Trains with `scratch` and, beginning with each of `sources`, an op process.

    It keeps the one with the least cross-validated error. A source of another device has to be
    better by a margin. Where there are too few workloads to know, it keeps the first source. The
    header names the source.
    """

    def __init__(self, scratch: Trainer[Any], sources: Sequence[Source]) -> None:
        self.scratch, self.sources = scratch, tuple(sources)

    def fit(
        self, records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
    ) -> LatencyModel:
        return self.fit_crossed(records, header, progress, quick=quick)[0]

    def fit_crossed(
        self, records: RecordSet, header: Header, progress: Progress, *, quick: bool = False
    ) -> tuple[LatencyModel, Predictions]:
        parts = len(self.sources) + 1
        fitted: list[Crossed] = []
        for number, source in enumerate(self.sources):
            progress(number / parts, f"transferring from {source.target}")
            fitted.append(transferred(source, records, header, quick=quick))
        scratch = self.scratch.fit_crossed(
            records,
            header,
            lambda share, stage: progress((parts - 1 + share) / parts, stage),
            quick=quick,
        )
        shares = [1.0 if source.same_device else MAX_SHARE for source in self.sources]
        return best(fitted, shares, scratch, records)

    def predict(self, model: LatencyModel, records: RecordSet) -> Predictions:
        if isinstance(model, OpProcess):
            return OpProcessTrainer().predict(model, records)
        return self.scratch.predict(model, records)


def transferred(
    source: Source, records: RecordSet, header: Header, *, quick: bool = False
) -> tuple[OpProcess, Predictions]:
    """An op process of `records` that begins with a source, and its cross-validated predictions.

    It covers what the source was measured on, too.
    """
    own_header = OpProcessHeader.model_validate(header.model_dump())
    settings = QUICK if quick else FULL
    joint = fit_source(source, records, own_header.types, header.seed, settings)
    fold = _folds(records, settings.folds, header.seed)
    min_noise = max(MIN_NOISE, (header.noise_floor_pct or 0.0) ** 2 / 1e4)
    related = relate(joint, fold, min_noise)
    scores = np.abs(np.log(records.latency / related.crossed.ms)) / related.crossed.spread
    factors = calibration(scores, np.isfinite(scores), records.network)
    model = model_of(own_header, related.fitted, joint.kernels.static, factors)
    model.header = model.header.model_copy(update=_covering(source, header))
    return model, related.crossed


def _covering(source: Source, header: Header) -> dict[str, Any]:
    """Facts of a header that covers a source, too."""
    other = new_header(RecordSet.of(source.records), header.target, 1, 0, None)
    ranges = {
        name: own if name == "latency_ms" else (min(own[0], wide[0]), max(own[1], wide[1]))
        for name, own in header.ranges.items()
        for wide in (other.ranges[name],)
    }
    return {
        "transferred_from": source.target,
        "coverage": tuple(sorted({*header.coverage, *other.coverage})),
        "ranges": ranges,
    }


def best(
    transfers: Sequence[Crossed], shares: Sequence[float], scratch: Crossed, records: RecordSet
) -> Crossed:
    """The transfer whose error is the least share of that from scratch, if it is at most its share
    of `shares`; otherwise the one from scratch."""
    known = np.all([np.isfinite(crossed.ms) for _, crossed in (*transfers, scratch)], 0)
    if not known.any():
        return transfers[0]

    def error(candidate: Crossed) -> float:
        off = np.abs(candidate[1].ms[known] / records.latency[known] - 1.0)
        return float(np.minimum(off, MAX_ERROR).mean())

    relative = [error(own) / share for own, share in zip(transfers, shares, strict=True)]
    first = int(np.argmin(relative))
    return transfers[first] if relative[first] <= error(scratch) else scratch


def _folds(records: RecordSet, folds: int, seed: int) -> Index:
    """A fold for each record (N,), the same for records of the same workload."""
    workloads = by_workload(records.records)
    order = np.random.default_rng(seed).permutation(workloads.max() + 1)
    return np.asarray(order[workloads] % folds)
