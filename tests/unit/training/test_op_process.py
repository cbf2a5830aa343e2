"""Training of op processes: what they learn, what does not mislead them, what they never do."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.training.conftest import MakeRecords

from lpnet.model.files import save
from lpnet.model.op_process import OpProcess
from lpnet.schemas import ops as wire
from lpnet.space.table import OpTable
from lpnet_service.training import Record
from lpnet_service.training.headers import new_header
from lpnet_service.training.op_process import OpProcessTrainer
from lpnet_service.training.op_process.calibrating import cross_predictions
from lpnet_service.training.op_process.distinct import DistinctKernels
from lpnet_service.training.op_process.fitting import QUICK, fit
from lpnet_service.training.op_process.rooflines import fit_rooflines
from lpnet_service.training.records import RecordSet, by_workload
from lpnet_service.training.trainer import Predictions

TRAINER = OpProcessTrainer()


def _fit(records: list[Record], floor_pct: float | None = None) -> tuple[OpProcess, Predictions]:
    training = RecordSet.of(records)
    header = new_header(training, "t", 1, 0, floor_pct)
    return TRAINER.fit_crossed(training, header, lambda share, stage: None, quick=True)


def _sides(records: list[Record]) -> tuple[list[Record], RecordSet]:
    training = [record for record in records if not record.held_out]
    return training, RecordSet.of([record for record in records if record.held_out])


@pytest.fixture(scope="module")
def fitted(records: list[Record]) -> tuple[OpProcess, Predictions]:
    return _fit(_sides(records)[0])


def test_it_learns_a_comb(records: list[Record], fitted: tuple[OpProcess, Predictions]) -> None:
    _, test = _sides(records)
    model, _ = fitted
    error = np.abs(TRAINER.predict(model, test).ms / test.latency - 1)
    # Without the correction the rooflines miss by 14%.
    assert error.mean() < 0.05
    assert len(save(model)) < 1_000_000


def test_left_out_errors_are_like_those_of_the_test(
    records: list[Record], fitted: tuple[OpProcess, Predictions]
) -> None:
    training, test = _sides(records)
    model, crossed = fitted
    predicted = TRAINER.predict(model, test)
    left_out = np.abs(np.log(crossed.ms / RecordSet.of(training).latency)).mean()
    error = np.abs(np.log(predicted.ms / test.latency))
    assert 0.5 < left_out / error.mean() < 2.0
    quantile = model.header.calibration.quantile
    factor = np.where(test.network, quantile(0.9, "network"), quantile(0.9, "block"))
    assert (error <= factor * predicted.spread).mean() > 0.75


def test_left_out_predictions_do_not_depend_on_what_is_left_out(
    make_records: MakeRecords,
) -> None:
    settings = replace(QUICK, fold_records=100, fold_evaluations=(6,))

    def crossed(records: list[Record]) -> Predictions:
        kernels = DistinctKernels.of(RecordSet.of(records))
        fitted = fit(kernels, 24, 0, None, settings, lambda share: None)
        workloads = by_workload(records)
        return cross_predictions(fitted, kernels, workloads, 0, None, settings)

    records = make_records(40, 0)
    slower = [replace(record, latency_ms=record.latency_ms * 1.5) for record in records[:1]]
    before, after = crossed(records).ms, crossed(slower + records[1:]).ms
    assert after[0] == before[0]
    assert not np.array_equal(after, before)


def test_a_row_of_a_thousand_times_does_not_mislead_it(
    records: list[Record], fitted: tuple[OpProcess, Predictions]
) -> None:
    training, test = _sides(records)
    bad = [
        replace(record, latency_ms=record.latency_ms * {7: 1e3, 20: 1e-3}.get(index, 1.0))
        for index, record in enumerate(training)
    ]
    error = np.abs(TRAINER.predict(_fit(bad)[0], test).ms / test.latency - 1)
    clean = np.abs(TRAINER.predict(fitted[0], test).ms / test.latency - 1)
    assert error.mean() < clean.mean() + 0.02


def test_the_noise_floor_bounds_the_spread(records: list[Record]) -> None:
    model, _ = _fit(_sides(records)[0], floor_pct=3.0)
    assert model.header.base_spread > 0.0299


def test_far_from_the_data_prices_stay_near_the_rooflines(
    fitted: tuple[OpProcess, Predictions],
) -> None:
    model, _ = fitted
    side = {"h": 14, "w": 14}
    wide = wire.Conv2d(c_in=4096, c_out=4096, kernel=(1, 1), **side)
    relu = wire.Activation(c_in=4096, c_out=4096, function="relu", **side)
    table = OpTable.from_ops([wide, relu, wide])
    record = Record("far", "block", table, 1, 1.0, None, None, None, held_out=True)
    far = RecordSet.of([record])
    predicted = TRAINER.predict(model, far)
    kernels = DistinctKernels.of(far)
    rates = model.rates.double().numpy()[:, kernels.types]
    roofline = kernels.counts @ (rates * kernels.work).sum(0)
    assert 0.3 < predicted.ms[0] / roofline[0] < 3.0
    assert predicted.spread[0] > 3 * model.header.base_spread


def test_every_type_has_a_price(records: list[Record]) -> None:
    # Activations run inside convs here, and edges are free: least squares alone gives them 0.
    kernels = DistinctKernels.of(RecordSet.of(records))
    rates = fit_rooflines(kernels, np.arange(len(records)), 24)
    assert (rates > 0).all()


def test_it_fits_few_records(make_records: MakeRecords) -> None:
    model, crossed = _fit(make_records(3, 1))
    assert np.isnan(crossed.ms).all()
    assert model.header.calibration.coverages
