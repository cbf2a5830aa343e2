"""Errors with few samples: from scratch, beginning with another target, and what is chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from benchmarks.accuracy.economy.pairs import SAME_DEVICE, Pair
from lpnet.model.base import LatencyModel
from lpnet_service.training.headers import new_header
from lpnet_service.training.op_process import OpProcessTrainer
from lpnet_service.training.predictions import Predictions
from lpnet_service.training.records import RecordSet
from lpnet_service.training.threads import one_thread
from lpnet_service.training.transfer import Source, TransferTrainer
from lpnet_service.training.transfer.trainer import MAX_SHARE, best, transferred

FEW, MANY = (10, 20, 50), 200
SOURCE_SAMPLES, MAX_TEST, MIN_TEST = 300, 300, 25
SCRATCH, TRANSFER, CHOSEN = "scratch", "transfer", "chosen"


@dataclass(frozen=True)
class TransferCell:
    """The mean errors of a method after so many samples, on test workloads whose ops the samples
    cover; `covered_pct` of all. `network_pct` is that of networks, None without any."""

    pair: str
    samples: int
    method: str
    seed: int
    mape_pct: float
    network_pct: float | None
    covered_pct: float


def many(target: int) -> int:
    """How many samples of a target with so many are many."""
    return min(MANY, target - MIN_TEST)


def cells(pair: Pair, seeds: int) -> Iterator[TransferCell]:
    target, source = pair.target_records(), pair.source_records()
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        order = rng.permutation(len(target))
        test = RecordSet.of([target[i] for i in order[many(len(target)) :][-MAX_TEST:]])
        chosen = rng.permutation(len(source))[:SOURCE_SAMPLES]
        same_device = pair.relation == SAME_DEVICE
        known = Source(pair.source, tuple(source[i] for i in chosen), same_device)
        for samples in (*FEW, many(len(target))):
            drawn = RecordSet.of([target[i] for i in order[:samples]])
            with one_thread():
                yield from _cells(pair.name, drawn, known, test, seed, few=samples in FEW)


def _cells(
    name: str, drawn: RecordSet, source: Source, test: RecordSet, seed: int, *, few: bool
) -> Iterator[TransferCell]:
    header = new_header(drawn, "new", 1, seed, None)
    trainer = OpProcessTrainer()
    scratch = trainer.fit_crossed(drawn, header, lambda share, stage: None, quick=True)
    fits: dict[str, tuple[LatencyModel, Predictions]] = {SCRATCH: scratch}
    if few:
        moved = transferred(source, drawn, header, quick=True)
        share = 1.0 if source.same_device else MAX_SHARE
        fits |= {TRANSFER: moved, CHOSEN: best([moved], [share], scratch, drawn)}
    covered = np.array([not header.uncovered(r.table, r.batch) for r in test.records])
    network = test.network[covered]
    for method, (model, _) in fits.items():
        ms = TransferTrainer(trainer, ()).predict(model, test).ms
        error = 100.0 * np.abs(ms / test.latency - 1.0)[covered]
        yield TransferCell(
            pair=name,
            samples=len(drawn),
            method=method,
            seed=seed,
            mape_pct=float(error.mean()),
            network_pct=float(error[network].mean()) if network.any() else None,
            covered_pct=float(100.0 * covered.mean()),
        )
