"""Prices of ensembles beyond their data: held near a roofline, smoothly."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.ensemble.limits import HELD_TYPES, UNLIMITED, Limits, type_index
from lpnet.model.files import load, save
from lpnet.model.header import Calibration
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.kernels import coverage, kernels
from lpnet.model.op_types import MORE_TYPES, TYPES

# The largest b exp(-b^2): what a price has beyond its limits at most.
MAX_ADDED = 0.43


@pytest.fixture(scope="module")
def limits() -> Limits:
    rates = torch.tensor([[-1.0, -2.0], [-1.5, -1.0]]).double()
    low, high = torch.tensor([[-0.5, 0.0]]).double(), torch.tensor([[0.5, 0.0]]).double()
    return Limits(rates, low, high)


def _at_ratio(limits: Limits, logs: torch.Tensor, ratio: float) -> torch.Tensor:
    """Logs of two equal summands whose sum is that far from the roofline."""
    roofline = (logs + limits.rates).logsumexp(-2)
    return (roofline + ratio - torch.tensor(2.0).log()).expand(1, 2, -1)


def test_a_price_within_its_limits_stays_as_it_is(limits: Limits) -> None:
    logs = torch.tensor([[3.0, 4.0], [2.0, 5.0]]).double()
    for ratio in (-0.5, 0.2, 0.5):
        log_terms = _at_ratio(limits, logs, ratio)
        assert torch.equal(limits.held(log_terms, logs)[..., 0], log_terms.exp()[..., 0])


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_price_beyond_them_tends_to_the_roofline(limits: Limits, sign: float) -> None:
    logs = torch.tensor([[3.0, 4.0], [2.0, 5.0]]).double()
    for beyond in (0.01, 0.3, 1.0, 3.0, 30.0, 1000.0):
        held = limits.held(_at_ratio(limits, logs, sign * (0.5 + beyond)), logs).log()
        ratio = sign * limits.ratio(held, logs)[0]
        assert (ratio >= -1e-9).all()
        assert (ratio <= 0.5 + MAX_ADDED).all()
        if beyond >= 3.0:
            assert (ratio < 1e-3).all()


def test_it_is_smooth_at_the_limits(limits: Limits) -> None:
    logs = torch.tensor([[3.0, 4.0], [2.0, 5.0]]).double()
    for ratio in (0.5, 0.5 + 1e-4, 0.8):
        log_terms = _at_ratio(limits, logs, ratio).clone().requires_grad_()
        assert torch.autograd.gradcheck(lambda t: limits.held(t, logs), (log_terms,), atol=1e-4)


def test_types_are_those_of_the_kernels(residual_table: Any) -> None:
    table = residual_table()
    types = type_index(KernelTensors.of(table, 1).static)
    names = (*TYPES, *MORE_TYPES)
    assert [names[i] for i in types.tolist()] == [kernel.type for kernel in kernels(table)]


@pytest.fixture
def held(residual_table: Any) -> Ensemble:
    """Untrained, with limits that most of its prices break."""
    ensemble = Ensemble(_header(residual_table, HELD_TYPES))
    ensemble.rates.fill_(-20.0)
    ensemble.low.fill_(2.0)
    ensemble.high.fill_(2.5)
    return ensemble.requires_grad_(False)


def _header(residual_table: Any, held_types: int | None) -> EnsembleHeader:
    return EnsembleHeader(
        target="t",
        members=3,
        hidden=8,
        batches=(1,),
        coverage=coverage(residual_table()),
        calibration=Calibration(coverages=(0.9,), block=(1.5,), network=(2.0,)),
        held_types=held_types,
    )


def test_a_bound_ensemble_keeps_its_limits(held: Ensemble, residual_table: Any) -> None:
    bound, no_widths = held.bind(residual_table(), 1), torch.zeros(0).double()
    ratio = torch.log(bound.kernel_ms(no_widths) / _roofline_ms(bound.kernels, -20.0))
    assert (ratio.abs() <= 2.5 + MAX_ADDED).all()
    context = bound.contexts(no_widths)
    every = torch.arange(bound.kernels.count)
    whole = bound.partial_sum(every, type(context)(*(part[:, None] for part in context)))
    torch.testing.assert_close(whole.ms[0], bound(no_widths))


def _roofline_ms(kernels: KernelTensors, log_rate: float) -> torch.Tensor:
    channels = kernels.b_in * kernels.b_out / kernels.b_g
    moved = kernels.cost[2] * kernels.b_in + kernels.cost[3] * kernels.b_out
    moved = moved + kernels.cost[4] * channels
    summed = kernels.cost[0] * (kernels.b_in / kernels.b_g).log()
    flops = torch.exp(summed + kernels.b_out.log() + kernels.cost[1])
    return (flops + moved) * torch.exp(torch.tensor(log_rate))


def test_a_file_keeps_them(held: Ensemble, residual_table: Any) -> None:
    data, no_widths = save(held), torch.zeros(0)
    again, table = load(data), residual_table()
    assert isinstance(again, Ensemble)
    assert torch.equal(again.low, held.low)
    assert torch.equal(again.bind(table, 1)(no_widths), held.bind(table, 1)(no_widths))
    assert save(again) == data


def test_without_limits_it_predicts_as_before(residual_table: Any) -> None:
    """And its file has no field that an older lpnet refuses."""
    before = Ensemble(_header(residual_table, None))
    assert b"held_types" not in save(before)
    wide = Ensemble(_header(residual_table, HELD_TYPES))
    assert float(wide.high.min()) == UNLIMITED
    table, no_widths = residual_table(), torch.zeros(0)
    assert torch.equal(wide.bind(table, 1)(no_widths), before.bind(table, 1)(no_widths))
