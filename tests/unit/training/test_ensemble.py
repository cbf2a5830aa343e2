"""The ensemble's trainer: what each member leaves out, its outputs, how intervals are scaled."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.harness import tokens

from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.static_features import FIRST_STATIC, STATIC
from lpnet.space.table import OpTable
from lpnet_service.training import Record
from lpnet_service.training.baselines.flops import flops_linear
from lpnet_service.training.baselines.learned import gradient_boosting
from lpnet_service.training.baselines.lookup import lookup
from lpnet_service.training.baselines.task import Task
from lpnet_service.training.conformal import COVERAGES
from lpnet_service.training.ensemble.calibration import calibrate, outputs
from lpnet_service.training.ensemble.fitting import FitSettings, fit, held_out_by
from lpnet_service.training.ensemble.inputs import KernelInputs
from lpnet_service.training.ensemble.stepping import FitInputs, Layers
from lpnet_service.training.records import RecordSet

SETTINGS = FitSettings(members=4, hidden=8, steps=120)


@pytest.fixture(scope="module")
def data(records: list[Record]) -> RecordSet:
    return RecordSet.of(records)


@pytest.fixture(scope="module")
def fitted(data: RecordSet) -> Ensemble:
    header = EnsembleHeader(target="t", members=4, hidden=8, batches=(1,), coverage=())
    held_out = held_out_by(data, 4, 0)
    lpnet = fit(KernelInputs.of(data), header, SETTINGS, held_out, lambda share: None)
    return calibrate(lpnet, KernelInputs.of(data), data.network, held_out, 0.5)


def test_pairs_share_what_is_left_out(records: list[Record]) -> None:
    data = RecordSet.of([*records, *(replace(r, latency_ms=1.0) for r in records)])
    held_out = held_out_by(data, 8, 0)
    assert (held_out.sum(0) == 2).all()
    assert (held_out[0::2] == held_out[1::2]).all()
    once, again = held_out[:, : len(records)], held_out[:, len(records) :]
    assert (once == again).all()
    for kind in (False, True):
        counts = held_out[:, data.network == kind].sum(1)
        assert counts.max() - counts.min() <= 2


def test_nobody_leaves_out_of_too_few(records: list[Record]) -> None:
    assert not held_out_by(RecordSet.of(records[:3]), 8, 0).any()
    assert not held_out_by(RecordSet.of(records), 2, 0).any()


def test_picked_records_keep_their_kernels(data: RecordSet) -> None:
    chosen = np.array([5, 100, 2])
    part = KernelInputs.of(data).pick(chosen)
    again = KernelInputs.of(RecordSet.of([data.records[i] for i in chosen]))
    assert torch.equal(part.features, again.features)
    assert torch.equal(part.logs, again.logs)
    assert torch.equal(part.segment(), again.segment())


def test_a_step_computes_what_the_ensemble_does(data: RecordSet, fitted: Ensemble) -> None:
    ensemble, inputs = copy.deepcopy(fitted), KernelInputs.of(data)
    layers, own = Layers(ensemble), FitInputs.of(ensemble, inputs)
    assert own.kernels < int(inputs.bounds[-1])
    assert len(own.features) < ensemble.scale.numel()
    expected = torch.log(outputs(ensemble, inputs).total) - own.target
    torch.testing.assert_close(layers.error(own), expected, rtol=0.0, atol=1e-4)
    chosen = torch.tensor([7, 100, 3])
    torch.testing.assert_close(layers.error(own.pick(chosen)), layers.error(own)[:, chosen])


def test_layers_are_written_back(data: RecordSet, fitted: Ensemble) -> None:
    ensemble = copy.deepcopy(fitted)
    layers = Layers(ensemble)
    with torch.no_grad():
        for parameter in ensemble.parameters():
            parameter.fill_(9.0)
    layers.write(ensemble)
    assert ensemble.w1[:, ensemble.scale == 0].eq(0.0).all()
    for name, value in fitted.state_dict().items():
        assert torch.equal(ensemble.state_dict()[name], value)


def test_outputs_are_those_of_the_bound_lpnet(fitted: Ensemble, data: RecordSet) -> None:
    fitted.header = fitted.header.model_copy(
        update={"coverage": ("activation relu", "conv2d 1x1 stride 1 dense")}
    )
    predicted, no_widths = outputs(fitted, KernelInputs.of(data)), torch.zeros(0)
    for index in (0, 50, 120):
        bound = fitted.bind(data.records[index].table, 1)
        assert predicted.latency[index] == pytest.approx(bound(no_widths).item(), rel=1e-3)
        spread = bound.spread(no_widths).item()
        assert predicted.spread(fitted)[index] == pytest.approx(spread, rel=1e-2)


def test_quantiles_rise_with_coverage(fitted: Ensemble) -> None:
    calibration = fitted.header.calibration
    assert calibration.coverages == COVERAGES
    for factors in (calibration.block, calibration.network):
        assert list(factors) == sorted(factors)
        assert factors[0] > 0
    assert fitted.header.base_spread >= 0.005


def test_spread_grows_away_from_the_data(fitted: Ensemble, records: list[Record]) -> None:
    near = outputs(fitted, KernelInputs.of(RecordSet.of(records[:30]))).spread(fitted)
    far = [replace(r, table=replace(r.table, b_in=r.table.b_in * 40)) for r in records[:30]]
    assert np.median(
        outputs(fitted, KernelInputs.of(RecordSet.of(far))).spread(fitted)
    ) > 1.5 * np.median(near)


def test_large_sets_are_learnt_in_parts(data: RecordSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lpnet_service.training.ensemble.fitting.MAX_KERNELS_PER_STEP", 200)
    header = EnsembleHeader(target="t", members=4, hidden=8, batches=(1,), coverage=())
    held_out = held_out_by(data, 4, 0)
    lpnet = fit(
        KernelInputs.of(data), header, replace(SETTINGS, steps=300), held_out, lambda share: None
    )
    error = np.abs(outputs(lpnet, KernelInputs.of(data)).latency / data.latency - 1.0)
    assert np.median(error) < 0.15


def _token_record(number: int, widths: tuple[int, int, int]) -> Record:
    """Milliseconds by MACs, by padded hidden channels, and 0.1 for the opaque op."""
    heads, hidden, squeezed = widths
    table = OpTable.from_ops(tokens.ops_at(*widths))
    padded = 16 * -(-hidden // 16)
    ms = 0.1 + 1e-6 * float(table.macs(np.zeros(0))) + 1e-3 * padded + 1e-3 * squeezed
    named = {"heads": heads, "hidden": hidden, "squeezed": squeezed}
    return Record(str(number), "block", table, 1, ms, None, "d" * 64, named, number % 3 == 2)


def test_it_learns_ops_of_tokens() -> None:
    rng = np.random.default_rng(0)
    records = [
        _token_record(
            number,
            (
                tokens.HEAD * int(rng.integers(1, 5)),
                int(rng.integers(1, 97)),
                int(rng.integers(1, 25)),
            ),
        )
        for number in range(150)
    ]
    training, test = RecordSet.of(records[:100]), RecordSet.of(records[100:])
    header = EnsembleHeader(target="t", members=4, hidden=8, batches=(1,), coverage=())
    held_out = held_out_by(training, 4, 0)
    settings = replace(SETTINGS, steps=400)
    lpnet = fit(KernelInputs.of(training), header, settings, held_out, lambda share: None)
    assert lpnet.header.static == STATIC
    error = np.abs(outputs(lpnet, KernelInputs.of(test)).latency / test.latency - 1.0)
    assert np.median(error) < 0.03
    task = Task(training.records, test.records, training.records, seed=0)
    for baseline in (flops_linear, lookup, gradient_boosting):
        assert np.isfinite(baseline(task)).all()


def test_it_is_trained_on_no_more_features_than_its_records_have(fitted: Ensemble) -> None:
    assert fitted.header.static == FIRST_STATIC
