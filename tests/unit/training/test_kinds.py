"""Trainers of every kind, and a new kind all the way from training to a search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from tests.harness import comb
from tests.harness.flops_linear import FlopsLinear, FlopsLinearTrainer

from lpnet.errors import LpnetError
from lpnet.model.files import load, save
from lpnet.model.header import Header
from lpnet.model.kernels import coverage
from lpnet.model.registry import KINDS
from lpnet.predictor.predictor import Predictor
from lpnet.space.sampling import draw_widths
from lpnet.space.space import Space
from lpnet.space.table import OpTable
from lpnet_service.training import Record, provisional, train
from lpnet_service.training.choice import AUTO
from lpnet_service.training.records import RecordSet
from lpnet_service.training.registry import TRAINERS, trainer_of
from lpnet_service.training.trainer import Trainer


@pytest.fixture(autouse=True)
def _second_kind() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, FlopsLinear.kind, FlopsLinear)
        patch.setitem(TRAINERS, FlopsLinear.kind, FlopsLinearTrainer())
        yield


def _silent(share: float, stage: str) -> None:
    pass


@pytest.mark.parametrize("kind", [*TRAINERS, FlopsLinear.kind])
def test_a_trainer_fits_calibrates_and_predicts(kind: str, records: list[Record]) -> None:
    training = RecordSet.of(records[:60])
    ops = dict.fromkeys(op for record in records for op in coverage(record.table))
    header = Header(target="t", batches=(1,), coverage=tuple(ops), seed=1)
    trainer = trainer_of(kind)
    model = trainer.fit(training, header, _silent, quick=True)
    assert model.kind == kind or kind == AUTO
    assert model.header.target == "t"
    assert model.header.calibration.coverages
    assert not any(parameter.requires_grad for parameter in model.parameters())
    predictions = trainer.predict(model, training)
    assert predictions.ms.shape == predictions.spread.shape == (60,)
    assert (predictions.ms > 0).all()
    assert (predictions.spread > 0).all()
    # The same as bound to each record, which is how it is used later.
    bound = Trainer.predict(trainer, model, training)
    np.testing.assert_allclose(predictions.ms, bound.ms, rtol=1e-3)
    np.testing.assert_allclose(predictions.spread, bound.spread, rtol=1e-2)
    again = trainer.fit(training, header, _silent, quick=True)
    assert save(again) == save(model)


def test_a_new_kind_goes_from_records_to_widths() -> None:
    torch.manual_seed(0)
    space = Space.from_model(comb.network(), torch.randn(1, 3, 64, 64), name="comb")
    lpnet, report = train(
        _records(space),
        target="t",
        epoch=1,
        seed=0,
        noise_floor_pct=None,
        progress=_silent,
        kind=FlopsLinear.kind,
    )
    assert report.held_out.network is not None
    assert report.held_out.network.mape_pct < 100
    predictor = Predictor.load(save(lpnet), space)
    assert isinstance(predictor.lpnet, FlopsLinear)
    assert torch.equal(
        load(save(lpnet)).state_dict()["coefficients"], predictor.lpnet.coefficients
    )
    budget_ms = 0.5 * float(predictor(predictor.high))
    widths = predictor.widest(budget_ms)
    assert float(predictor(widths)) <= budget_ms
    # Linear in FLOPs, no width is slow: the budget is spent to the last channel or so.
    assert float(predictor(widths)) > 0.98 * budget_ms


def test_an_unknown_kind_is_refused(records: list[Record]) -> None:
    with pytest.raises(LpnetError, match="no trainer for latency models of kind 'oracle'"):
        provisional(records[:20], target="t", seed=0, kind="oracle")


def _records(space: Space) -> list[Record]:
    rng = np.random.default_rng(0)
    parts: list[Any] = [space.block(block.name) for block in space.blocks] + [space]
    records = []
    for number in range(60):
        part = parts[number % len(parts)]
        table = OpTable.from_ops(part.ops(draw_widths(part, rng, 0.5)))
        records.append(
            Record(
                key=str(number),
                kind="network" if part is space else "block",
                table=table,
                batch=1,
                latency_ms=comb.comb_ms(table),
                draw="random",
                space=space.hash,
                widths=None,
                held_out=number % 4 == 3,
            )
        )
    return records
