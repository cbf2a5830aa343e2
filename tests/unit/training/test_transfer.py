"""Trainings that begin with another target: when they help, when not, and what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.unit.training.conftest import MakeRecords

from lpnet.model.files import load, save
from lpnet.model.header import Header
from lpnet.model.op_process import OpProcess
from lpnet_service.training import Record, Source, train
from lpnet_service.training.headers import new_header
from lpnet_service.training.op_process import OpProcessTrainer
from lpnet_service.training.records import RecordSet
from lpnet_service.training.trainer import Predictions
from lpnet_service.training.transfer import TransferTrainer
from lpnet_service.training.transfer.trainer import best, transferred

FEW = 12


def slower(record: Record) -> Record:
    """Measured on a device whose convs take three times as long, and calls twice."""
    convs = sum(row.type == "conv2d" for row in record.table.rows)
    others = len(record.table.rows) - convs
    return replace(record, latency_ms=3.0 * record.latency_ms + 0.02 * convs + 0.01 * others)


@pytest.fixture(scope="module")
def source(records: list[Record]) -> Source:
    return Source("known", tuple(records[:70]))


@pytest.fixture(scope="module")
def few(make_records: MakeRecords) -> RecordSet:
    return RecordSet.of([slower(record) for record in make_records(FEW, 0, seed=5)])


@pytest.fixture(scope="module")
def test_set(make_records: MakeRecords) -> RecordSet:
    return RecordSet.of([slower(record) for record in make_records(30, 15, seed=9)])


@pytest.fixture(scope="module")
def moved(source: Source, few: RecordSet) -> tuple[OpProcess, Predictions]:
    return transferred(source, few, header_of(few), quick=True)


def header_of(records: RecordSet) -> Header:
    return new_header(records, "new", 1, 0, None)


def error(model: OpProcess, test: RecordSet) -> float:
    return float(np.abs(OpProcessTrainer().predict(model, test).ms / test.latency - 1).mean())


def test_few_samples_are_enough_for_a_target_that_is_alike(
    moved: tuple[OpProcess, Predictions], few: RecordSet, test_set: RecordSet
) -> None:
    scratch = OpProcessTrainer().fit(few, header_of(few), lambda *_: None, quick=True)
    assert error(moved[0], test_set) < min(0.03, 0.7 * error(scratch, test_set))


def test_left_out_samples_are_predicted_as_others_are(
    moved: tuple[OpProcess, Predictions], few: RecordSet, test_set: RecordSet
) -> None:
    model, crossed = moved
    left_out = float(np.abs(crossed.ms / few.latency - 1).mean())
    assert 0.2 < left_out / error(model, test_set) < 5.0
    assert (crossed.spread > 0).all()


def test_the_file_stands_alone_and_names_the_source(
    moved: tuple[OpProcess, Predictions], test_set: RecordSet
) -> None:
    model, _ = moved
    again = load(save(model))
    assert isinstance(again, OpProcess)
    assert again.header.transferred_from == "known"
    assert error(again, test_set) == error(model, test_set)


def test_it_covers_what_the_source_measured(source: Source, make_records: MakeRecords) -> None:
    # A few blocks have no kernel between two blocks, which networks have.
    blocks = RecordSet.of([slower(record) for record in make_records(5, 0, seed=5)])
    header = header_of(blocks)
    network = make_records(0, 1)[0]
    model, _ = transferred(source, blocks, header, quick=True)
    assert set(model.header.coverage) >= set(header.coverage)
    assert not model.header.uncovered(network.table, 1)


def test_a_source_that_says_nothing_is_not_taken(source: Source, few: RecordSet) -> None:
    latency = np.random.default_rng(0).permutation([r.latency_ms for r in source.records])
    shuffled = [
        replace(record, latency_ms=float(ms))
        for record, ms in zip(source.records, latency, strict=True)
    ]
    trainer = TransferTrainer(OpProcessTrainer(), [Source("noise", tuple(shuffled))])
    model = trainer.fit(few, header_of(few), lambda *_: None, quick=True)
    assert model.header.transferred_from is None


def test_without_enough_workloads_to_compare_the_first_source_is_taken(
    moved: tuple[OpProcess, Predictions], few: RecordSet
) -> None:
    model, crossed = moved
    unknown = Predictions(np.full(FEW, np.nan), np.full(FEW, np.nan))
    assert best([moved], [1.0], (model, unknown), few) is moved
    good, bad = Predictions(few.latency, crossed.spread), Predictions(2 * few.latency, unknown.ms)
    assert best([(model, bad)], [1.0], (model, good), few)[1] is good
    # A small lead of another device is chance.
    near = Predictions(1.9 * few.latency, unknown.ms)
    assert best([(model, near)], [1.0], (model, bad), few)[1] is near
    assert best([(model, near)], [0.75], (model, bad), few)[1] is bad


def test_a_report_names_the_source(source: Source, few: RecordSet) -> None:
    _, report = train(
        few.records,
        target="new",
        epoch=1,
        seed=0,
        noise_floor_pct=None,
        progress=lambda share, stage: None,
        kind="op_process",
        sources=[source],
    )
    assert report.transferred_from == "known"
