"""The trainings of a run, and predictions of the records that they were not trained on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.accuracy.kinds.records import records
from benchmarks.accuracy.pruned.parts import Part
from lpnet.model.base import LatencyModel
from lpnet.progress import Progress
from lpnet.schemas.report import Report
from lpnet.schemas.sample import Sample
from lpnet.space.space import Space
from lpnet_service.training import Record, train
from lpnet_service.training.headers import new_header
from lpnet_service.training.predictions import Predictions
from lpnet_service.training.records import RecordSet
from lpnet_service.training.registry import TRAINED_KIND, trainer_of
from lpnet_service.training.threads import one_thread

_TARGET = "pruned"


@dataclass(frozen=True)
class Table:
    """The records of undisturbed samples, by the key of their workload."""

    records: Mapping[str, tuple[Record, ...]]

    @classmethod
    def of(cls, samples: Iterable[Sample], spaces: Iterable[Space]) -> Table:
        grouped: dict[str, list[Record]] = {}
        for record in records(samples, {space.hash: space for space in spaces}):
            grouped.setdefault(record.key, []).append(record)
        return cls({key: tuple(own) for key, own in grouped.items()})

    def all_of(self, parts: Iterable[Part]) -> list[Record]:
        """Every session of every workload, for training."""
        return [r for part in parts for key in part.keys for r in self.records.get(key, ())]

    def first_of(self, parts: Iterable[Part], kind: str | None = None) -> list[Record]:
        """The first session of each workload, for tests: a median of sessions has less noise."""
        return [
            self.records[key][0]
            for part in parts
            for item, key in zip(part.items, part.keys, strict=True)
            if key in self.records and kind in (None, item.kind)
        ]


def train_and_report(
    table: Table,
    training: Sequence[Part],
    test: Sequence[Part],
    noise_floor_pct: float | None,
    seed: int,
    progress: Progress,
) -> tuple[LatencyModel, Report]:
    held_out = [replace(record, held_out=True) for record in table.first_of(test)]
    return train(
        [*table.all_of(training), *held_out],
        target=_TARGET,
        epoch=1,
        seed=seed,
        noise_floor_pct=noise_floor_pct,
        progress=lambda share, stage: progress(stage, share, 1.0),
    )


def fit(training: Sequence[Record], seed: int) -> LatencyModel:
    """A model of the kind that trainings choose, without a report."""
    record_set = RecordSet.of(training)
    header = new_header(record_set, _TARGET, 1, seed, None)
    with one_thread():
        model: LatencyModel = trainer_of(TRAINED_KIND).fit(
            record_set, header, lambda share, stage: None
        )
    return model


def predict(model: LatencyModel, test: Sequence[Record]) -> Predictions:
    return trainer_of(model.kind).predict(model, RecordSet.of(test))


def covering(model: LatencyModel, test: Sequence[Record]) -> LatencyModel:
    """A copy that predicts ops and batches which training did not have, too."""
    missing = dict.fromkeys(op for r in test for op in model.header.uncovered(r.table, r.batch))
    coverage = (*model.header.coverage, *missing)
    header = model.header.model_copy(update={"coverage": coverage})
    copy = type(model)(header)
    copy.load_state_dict(model.state_dict())
    return copy


def mape_pct(predicted: np.ndarray, test: Sequence[Record]) -> float:
    measured = np.array([record.latency_ms for record in test])
    return float(100.0 * np.mean(np.abs(predicted - measured) / measured))
