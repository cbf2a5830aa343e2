"""Who leaves out what, what outputs are, and how intervals are scaled."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from lpnet.model.header import Header
from lpnet.model.lpnet import LPNet
from lpnet_service.training import Record
from lpnet_service.training.calibration import COVERAGES, calibrate, outputs
from lpnet_service.training.fitting import Effort, fit, unseen_by
from lpnet_service.training.records import Data

EFFORT = Effort(members=4, hidden=8, steps=120)


@pytest.fixture(scope="module")
def data(records: list[Record]) -> Data:
    return Data.of(records)


@pytest.fixture(scope="module")
def fitted(data: Data) -> LPNet:
    header = Header(target="t", members=4, hidden=8, batches=(1,), coverage=())
    unseen = unseen_by(data, 4, 0)
    lpnet = fit(data, header, EFFORT, unseen, lambda share: None)
    return calibrate(lpnet, data, unseen, 0.5)


def test_pairs_share_what_is_left_out(records: list[Record]) -> None:
    data = Data.of([*records, *(replace(r, latency_ms=1.0) for r in records)])
    unseen = unseen_by(data, 8, 0)
    assert (unseen.sum(0) == 2).all()
    assert (unseen[0::2] == unseen[1::2]).all()
    once, again = unseen[:, : len(records)], unseen[:, len(records) :]
    assert (once == again).all()
    for kind in (False, True):
        counts = unseen[:, data.network == kind].sum(1)
        assert counts.max() - counts.min() <= 2


def test_nobody_leaves_out_of_too_few(records: list[Record]) -> None:
    assert not unseen_by(Data.of(records[:3]), 8, 0).any()
    assert not unseen_by(Data.of(records), 2, 0).any()


def test_picked_records_keep_their_kernels(data: Data) -> None:
    chosen = np.array([5, 100, 2])
    part = data.pick(chosen)
    again = Data.of([data.records[i] for i in chosen])
    assert torch.equal(part.features, again.features)
    assert torch.equal(part.logs, again.logs)
    assert torch.equal(part.segment(), again.segment())


def test_outputs_are_those_of_the_bound_lpnet(fitted: LPNet, data: Data) -> None:
    fitted.header = fitted.header.model_copy(
        update={"coverage": ("activation relu", "conv2d 1x1 stride 1 dense")}
    )
    said, nothing = outputs(fitted, data), torch.zeros(0)
    for index in (0, 50, 120):
        bound = fitted.bind(data.records[index].table, 1)
        assert said.latency[index] == pytest.approx(bound(nothing).item(), rel=1e-3)
        spread = bound.spread(nothing).item()
        assert said.spread(fitted)[index] == pytest.approx(spread, rel=1e-2)


def test_quantiles_rise_with_coverage(fitted: LPNet) -> None:
    calibration = fitted.header.calibration
    assert calibration.coverages == COVERAGES
    for factors in (calibration.block, calibration.network):
        assert list(factors) == sorted(factors)
        assert factors[0] > 0
    assert fitted.header.base_spread >= 0.005


def test_spread_grows_away_from_the_data(fitted: LPNet, records: list[Record]) -> None:
    known = outputs(fitted, Data.of(records[:30])).spread(fitted)
    far = [replace(r, table=replace(r.table, b_in=r.table.b_in * 40)) for r in records[:30]]
    assert np.median(outputs(fitted, Data.of(far)).spread(fitted)) > 1.5 * np.median(known)


def test_large_sets_are_learnt_in_parts(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lpnet_service.training.fitting.MOST_KERNELS", 200)
    header = Header(target="t", members=4, hidden=8, batches=(1,), coverage=())
    unseen = unseen_by(data, 4, 0)
    lpnet = fit(data, header, replace(EFFORT, steps=300), unseen, lambda share: None)
    error = np.abs(outputs(lpnet, data).latency / data.latency - 1.0)
    assert np.median(error) < 0.15
