"""Ensembles bound to tables: prices, gradients, refusals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from lpnet.errors import LpnetError, NotCovered
from lpnet.model.base import BoundModel
from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.ensemble.spread import last_layer_slope
from lpnet.model.features import DYNAMIC, STATIC
from lpnet.model.header import Calibration
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.kernels import coverage
from lpnet.space.table import OpTable


@pytest.fixture(scope="module")
def table(residual_table: Any) -> OpTable:
    """Two widths: outer channels and inner channels."""
    rows: OpTable = residual_table(24, 144)
    outer, inner = np.eye(2)
    none = np.zeros(2)
    a_in = np.array([outer, inner, inner, inner, inner, outer, outer, outer, outer])
    a_out = np.array([inner, inner, inner, inner, outer, outer, outer, outer, none])
    a_g = np.array([none, none, inner, *([none] * 6)])
    fixed = np.zeros(9)
    last = np.array([*([0.0] * 8), 10.0])
    groups = np.array([1.0, 1.0, 0.0, *([1.0] * 6)])
    return replace(rows, a_in=a_in, b_in=fixed, a_out=a_out, b_out=last, a_g=a_g, b_g=groups)


@pytest.fixture(scope="module")
def lpnet(table: OpTable) -> Ensemble:
    """Untrained, with a standardisation as training leaves it."""
    header = EnsembleHeader(
        target="t",
        members=3,
        hidden=8,
        batches=(1,),
        coverage=coverage(table),
        calibration=Calibration(coverages=(0.5, 0.9), block=(0.5, 1.5), network=(0.7, 2.0)),
    )
    lpnet = Ensemble(header)
    generator = torch.Generator().manual_seed(1)
    lpnet.mean.copy_(torch.randn(STATIC + DYNAMIC, generator=generator))
    lpnet.scale.copy_(torch.rand(STATIC + DYNAMIC, generator=generator))
    lpnet.leverage.copy_(torch.rand(lpnet.leverage.shape, generator=generator) * 0.01)
    return lpnet.requires_grad_(False)


@pytest.fixture(scope="module")
def bound(lpnet: Ensemble, table: OpTable) -> BoundModel:
    return lpnet.bind(table, 1)


def test_bound_and_unbound_agree(lpnet: Ensemble, bound: BoundModel, residual_table: Any) -> None:
    for outer, inner in ((24, 144), (17, 96), (1, 1)):
        inputs, logs = lpnet.inputs(KernelTensors.of(residual_table(outer, inner), 1))
        expected = lpnet.terms(inputs, logs).sum((-1, -2)).mean()
        found = bound(torch.tensor([outer, inner]).float())
        assert found.item() == pytest.approx(expected.item(), rel=1e-4)


def test_prices_add_up_to_the_latency(bound: BoundModel) -> None:
    widths = torch.tensor([[24.0, 100.5], [9.0, 64.0]]).double()
    prices = bound.prices(None, bound.contexts(widths))
    assert prices.shape == (2, bound.kernels.count)
    assert prices.sum(1) == pytest.approx(bound(widths))
    assert bound.kernel_ms(widths) == pytest.approx(prices)


def test_kernels_are_priced_on_their_own(bound: BoundModel) -> None:
    context = bound.contexts(torch.tensor([24.0, 96.0]).double())
    chosen = torch.tensor([2, 0, 2])
    prices = bound.prices(chosen, context.at(chosen))
    assert prices == pytest.approx(bound.prices(None, context)[chosen])


def test_gradient_is_that_of_the_value_batched_and_under_vmap(bound: BoundModel) -> None:
    widths = torch.tensor([[24.0, 96.0], [7.3, 50.6], [16.0, 65.5]]).double().requires_grad_()
    assert torch.autograd.gradcheck(bound, (widths,), eps=1e-6, atol=1e-7)
    (gradient,) = torch.autograd.grad(bound(widths).sum(), widths)
    mapped = torch.func.vmap(torch.func.grad(bound))(widths.detach())
    assert mapped == pytest.approx(gradient)


def test_type_of_the_input_is_kept(bound: BoundModel) -> None:
    widths = torch.tensor([24.0, 96.0])
    assert bound(widths).dtype == torch.float32
    assert bound(widths.double()).dtype == torch.float64
    assert bound(widths).item() == pytest.approx(bound(widths.double()).item(), rel=1e-4)


def test_slope_is_the_derivative_by_the_last_layer(lpnet: Ensemble, residual_table: Any) -> None:
    inputs, logs = lpnet.inputs(KernelTensors.of(residual_table(), 1))
    w3, b3 = lpnet.w3.clone().requires_grad_(), lpnet.b3.clone().requires_grad_()
    hidden = lpnet.hidden(inputs)
    terms = torch.exp(hidden @ w3 + b3 + logs.T)
    by_weights, by_bias = torch.autograd.grad(terms.sum((-1, -2)).log().sum(), (w3, b3))
    expected = torch.cat((by_weights, by_bias), 1).transpose(1, 2).flatten(1)
    found = last_layer_slope(terms.transpose(1, 2), hidden.transpose(1, 2))
    assert found.detach() == pytest.approx(expected, abs=1e-6)


def test_spread_is_at_least_the_base(bound: BoundModel) -> None:
    spread = bound.spread(torch.tensor([[24.0, 96.0], [400.0, 3000.0]]))
    assert (spread > bound.header.base_spread).all()


def test_quantiles_are_interpolated_and_extended(bound: BoundModel) -> None:
    assert bound.quantile(0.9, "network") == 2.0
    assert bound.quantile(0.7, "block") == pytest.approx(1.0)
    assert bound.quantile(0.25, "block") == pytest.approx(0.25)
    assert bound.quantile(0.99, "network") > 3.0
    with pytest.raises(ValueError, match="between 0 and 1"):
        bound.quantile(1.0, "network")
    with pytest.raises(LpnetError, match="never calibrated"):
        Calibration().quantile(0.5, "block")


def test_ops_and_batches_never_seen_are_named(lpnet: Ensemble, residual_table: Any) -> None:
    with pytest.raises(NotCovered, match=r"activation silu; batch 2 \(seen: 1\)"):
        lpnet.bind(residual_table(function="silu"), 2)


def test_a_seed_gives_the_same_weights(lpnet: Ensemble) -> None:
    again, other = Ensemble(lpnet.header), Ensemble(lpnet.header.model_copy(update={"seed": 1}))
    assert torch.equal(again.w1, lpnet.w1)
    assert not torch.equal(other.w1, lpnet.w1)
