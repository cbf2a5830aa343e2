"""The trainer of mixtures: weights, cross-validation and calibration."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.harness.flops_linear import FlopsLinear, FlopsLinearTrainer

from lpnet.model.base import LatencyModel
from lpnet.model.ensemble import Ensemble
from lpnet.model.header import Header
from lpnet.model.kernels import coverage
from lpnet.model.mixture import Mixture
from lpnet.model.registry import KINDS
from lpnet_service.training import Record
from lpnet_service.training.crossing import cross_predictions
from lpnet_service.training.ensemble import EnsembleTrainer
from lpnet_service.training.mixture import MixtureTrainer
from lpnet_service.training.mixture.weights import best_weights, cross_weighted
from lpnet_service.training.predictions import Predictions
from lpnet_service.training.records import RecordSet
from lpnet_service.training.trainer import Trainer


@pytest.fixture(scope="module", autouse=True)
def _second_kind() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, FlopsLinear.kind, FlopsLinear)
        yield


def _silent(share: float, stage: str) -> None:
    pass


@pytest.fixture(scope="module")
def data(records: list[Record]) -> RecordSet:
    return RecordSet.of(records[:60])


@pytest.fixture(scope="module")
def header(records: list[Record]) -> Header:
    ops = dict.fromkeys(op for record in records for op in coverage(record.table))
    return Header(target="t", batches=(1,), coverage=tuple(ops), seed=1)


@pytest.fixture(scope="module")
def trainer() -> MixtureTrainer:
    return MixtureTrainer(
        {Ensemble.kind: EnsembleTrainer(), FlopsLinear.kind: FlopsLinearTrainer()}
    )


@pytest.fixture(scope="module")
def fitted(
    trainer: MixtureTrainer, data: RecordSet, header: Header
) -> tuple[Mixture, Predictions]:
    return trainer.fit_crossed(data, header, _silent, quick=True)


def test_the_better_component_has_the_larger_weight() -> None:
    rng = np.random.default_rng(0)
    latency = rng.uniform(1.0, 9.0, 100)
    off = np.exp(rng.normal(0.0, [[0.05], [0.3]], (2, 100)))
    weights = best_weights(off * latency, latency)
    assert weights.sum() == pytest.approx(1.0)
    assert weights[0] >= 0.8


def test_errors_that_cancel_are_mixed() -> None:
    latency = np.linspace(1.0, 9.0, 50)
    off = np.where(np.arange(50) % 2, 1.2, 0.8)
    weights = best_weights(np.stack((off, 2.0 - off)) * latency, latency)
    assert weights == pytest.approx([0.5, 0.5])


def test_a_component_that_explodes_weighs_nothing() -> None:
    latency = np.linspace(1.0, 9.0, 50)
    wild = latency * np.where(np.arange(50) % 5, 1.0, 1e6)
    assert best_weights(np.stack((wild, 1.1 * latency)), latency)[0] == 0.0


def test_too_few_records_weigh_all_alike() -> None:
    latency = np.ones(3)
    assert best_weights(np.stack((latency, 9 * latency)), latency) == pytest.approx([0.5, 0.5])


def test_each_half_is_mixed_by_the_weights_of_the_other() -> None:
    latency = np.linspace(1.0, 9.0, 40)
    half = np.arange(40) < 20
    ms = np.stack((np.where(half, latency, 3 * latency), np.where(half, 3 * latency, latency)))
    assert cross_weighted(ms, latency, half) == pytest.approx(3 * latency)


def test_its_models_are_those_of_its_components(
    fitted: tuple[Mixture, Predictions], header: Header, data: RecordSet
) -> None:
    parts = fitted[0].header.parts
    assert [part.kind for part in parts] == [Ensemble.kind, FlopsLinear.kind]
    assert sum(part.weight for part in parts) == pytest.approx(1.0)
    alone = FlopsLinearTrainer().fit(data, header, _silent)
    own = fitted[0].parts[1].state_dict()["coefficients"]
    assert torch.equal(own, alone.coefficients)


def test_fits_that_left_a_workload_out_predict_it(
    fitted: tuple[Mixture, Predictions], trainer: MixtureTrainer, data: RecordSet
) -> None:
    mixture, crossed = fitted
    assert np.isfinite(crossed.ms).all()
    inside = trainer.predict(mixture, data)
    error, crossed_error = (np.abs(np.log(p.ms / data.latency)).mean() for p in (inside, crossed))
    assert crossed_error > error
    assert mixture.header.calibration.coverages


class _FoldTrainer(FlopsLinearTrainer):
    """Notes the keys that it is fitted to."""

    def __init__(self) -> None:
        self.fits: list[set[str]] = []

    def fit(self, records: RecordSet, *args: object, **options: object) -> FlopsLinear:
        self.fits.append({record.key for record in records.records})
        return super().fit(records, *args, **options)  # type: ignore[arg-type]


def test_folds_keep_workloads_whole(records: list[Record], header: Header) -> None:
    twice = RecordSet.of([*records[:30], *records[:30]])
    trainer = _FoldTrainer()
    crossed = cross_predictions(trainer, twice, header, _silent, quick=True)
    assert np.isfinite(crossed.ms).all()
    every = {record.key for record in records[:30]}
    left_out = [every - fit for fit in trainer.fits]
    assert sorted(key for keys in left_out for key in keys) == sorted(every)


def test_too_few_workloads_are_not_cross_validated(records: list[Record], header: Header) -> None:
    few = RecordSet.of(records[:5])
    crossed = cross_predictions(FlopsLinearTrainer(), few, header, _silent, quick=True)
    assert np.isnan(crossed.ms).all()
    mixed: Trainer[Mixture] = MixtureTrainer({FlopsLinear.kind: FlopsLinearTrainer()})
    model: LatencyModel = mixed.fit(few, header, _silent)
    assert model.header.calibration.coverages


def test_what_a_fold_does_not_cover_is_not_predicted(
    records: list[Record], header: Header
) -> None:
    other = replace(records[0], key="other batch", batch=7)
    data = RecordSet.of([*records[:20], other])
    crossed = cross_predictions(FlopsLinearTrainer(), data, header, _silent, quick=True)
    assert np.isnan(crossed.ms).nonzero()[0].tolist() == [20]
