"""The choice of a kind by cross-validation."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.harness.flops_linear import FlopsLinear, FlopsLinearTrainer

from lpnet.model.ensemble import Ensemble
from lpnet.model.files import load, save
from lpnet.model.mixture import Mixture
from lpnet.model.registry import KINDS
from lpnet_service.training import Record, provisional
from lpnet_service.training.choice import AUTO, AutoTrainer
from lpnet_service.training.choice.trainer import simplest
from lpnet_service.training.ensemble import EnsembleTrainer
from lpnet_service.training.headers import new_header
from lpnet_service.training.records import RecordSet
from lpnet_service.training.registry import TRAINERS
from lpnet_service.training.trainer import Trainer


@pytest.fixture(autouse=True)
def _flops_linear_and_ensemble() -> Iterator[None]:
    candidates: dict[str, Trainer[Any]] = {
        FlopsLinear.kind: FlopsLinearTrainer(),
        Ensemble.kind: EnsembleTrainer(),
    }
    auto = AutoTrainer(candidates)
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(KINDS, FlopsLinear.kind, FlopsLinear)
        patch.setitem(TRAINERS, AUTO, auto)
        yield


def test_the_simplest_that_is_not_worse_is_chosen() -> None:
    rng = np.random.default_rng(0)
    noise = rng.uniform(0.0, 0.01, 100)
    assert simplest([0.5 + noise, 0.1 + noise, 0.1 + noise]) == 1
    assert simplest([0.5 + noise, 0.1 + noise, 0.05 + noise]) == 2
    # Better by chance only.
    assert simplest([rng.permutation(noise), 0.999 * noise]) == 0
    assert simplest([np.zeros(0)] * 3) == 2


def test_workloads_that_flops_explain_need_no_network(records: list[Record]) -> None:
    model = provisional(_by_macs(records[:45]), target="t", seed=0, kind=AUTO)
    assert isinstance(model, FlopsLinear)
    assert model.header.candidates is not None
    by_kind = {candidate.kind: candidate for candidate in model.header.candidates}
    assert list(by_kind) == [FlopsLinear.kind, Ensemble.kind, Mixture.kind]
    assert by_kind[FlopsLinear.kind].mean_pct < 3.0
    assert by_kind[FlopsLinear.kind].median_pct < 3.0
    assert load(save(model)).header == model.header


def test_a_candidate_within_the_noise_ends_the_search(records: list[Record]) -> None:
    data = RecordSet.of(_by_macs(records[:30]))
    header = new_header(data, "t", 1, 0, 5.0)
    model = TRAINERS[AUTO].fit(data, header, lambda share, stage: None, quick=True)
    assert isinstance(model, FlopsLinear)
    assert model.header.candidates is not None
    assert [candidate.kind for candidate in model.header.candidates] == [FlopsLinear.kind]


def test_too_few_workloads_are_mixed(records: list[Record]) -> None:
    model = provisional(records[:5], target="t", seed=0, kind=AUTO)
    assert isinstance(model, Mixture)
    assert model.header.candidates == ()
    assert [part.weight for part in model.header.parts] == [0.5, 0.5]


def test_steps_need_more_than_flops(records: list[Record]) -> None:
    data = RecordSet.of(records[:90])
    header = new_header(data, "t", 1, 0, None)
    trainer = TRAINERS[AUTO]
    model = trainer.fit(data, header, lambda share, stage: None, quick=True)
    assert model.kind in (Ensemble.kind, Mixture.kind)
    predicted = trainer.predict(model, data)
    assert np.abs(np.log(predicted.ms / data.latency)).mean() < 0.3


def _by_macs(records: list[Record]) -> list[Record]:
    def ms(record: Record) -> float:
        return 1e-6 * float(record.table.macs(np.zeros(0))) + 1e-3 * len(record.table.rows)

    return [replace(record, latency_ms=ms(record)) for record in records]
