"""Slopes that are computed beside prices: those of the prices, by differences."""

from __future__ import annotations

import pytest
import torch
from tests.harness import comb

from lpnet.model.base import BoundModel, KernelContext, LatencyModel
from lpnet.model.ensemble import Ensemble, EnsembleHeader
from lpnet.model.ensemble.limits import HELD_TYPES
from lpnet.model.header import Header
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.kernels import coverage
from lpnet.model.mixture import Mixture
from lpnet.model.op_process import OpProcess, OpProcessHeader
from lpnet.model.op_process.columns import type_indices
from lpnet.model.static_features import STATIC
from lpnet.space.space import Space
from lpnet.space.table import OpTable


@pytest.fixture(scope="module")
def table() -> OpTable:
    torch.manual_seed(0)
    return Space.from_model(comb.network(), torch.randn(1, 3, 64, 64), name="comb").table


@pytest.fixture(scope="module")
def parts(table: OpTable) -> dict[str, LatencyModel]:
    """Ensembles without limits, and far beyond them, and an op process."""
    generator = torch.Generator().manual_seed(0)
    facts = {"target": "t", "batches": (1,), "coverage": coverage(table)}
    free = Ensemble(EnsembleHeader(members=3, hidden=8, **facts))
    held = Ensemble(EnsembleHeader(members=3, hidden=8, held_types=HELD_TYPES, **facts))
    held.rates.fill_(-16.0)
    held.low.copy_(-0.3 * torch.rand(held.low.shape, generator=generator))
    held.high.copy_(0.3 * torch.rand(held.high.shape, generator=generator))
    types = type_indices(KernelTensors.of(table, 1).static)
    process = OpProcess(OpProcessHeader(inducing=len(types), columns=20, **facts))
    process.columns.copy_(torch.arange(STATIC, STATIC + 20))
    process.scale.fill_(0.3)
    process.points.copy_(torch.randn(process.points.shape, generator=generator))
    process.types.copy_(types)
    process.weights.copy_(torch.rand(len(types), generator=generator))
    every = {"free": free, "held": held, "op_process": process}
    mixture = Mixture.of([process, held], [0.7, 0.3], [1.0, 1.0], Header(**facts))
    return {name: part.requires_grad_(False) for name, part in every.items()} | {"mix": mixture}


@pytest.mark.parametrize("name", ["free", "held", "mix"])
def test_slopes_are_those_of_the_prices(
    parts: dict[str, LatencyModel], table: OpTable, name: str
) -> None:
    bound = parts[name].bind(table, 1)
    assert torch.autograd.gradcheck(
        lambda channels: 1e3 * _prices(bound, channels), _channels(bound).requires_grad_()
    )
    some = torch.tensor([3, 0, 2])
    context = KernelContext(*_channels(bound).unbind(-2))
    chosen = bound.prices(some, context.at((slice(None), some)))
    torch.testing.assert_close(chosen, bound.prices(None, context)[:, some])


def test_the_limits_act_where_their_slopes_are_tested(
    parts: dict[str, LatencyModel], table: OpTable
) -> None:
    held = parts["held"]
    assert isinstance(held, Ensemble)
    bound = held.bind(table, 1)
    before = _prices(bound, _channels(bound))
    held.low.mul_(2.0)
    held.high.mul_(2.0)
    off = _prices(held.bind(table, 1), _channels(bound)) / before - 1.0
    held.low.mul_(0.5)
    held.high.mul_(0.5)
    assert (off.abs() > 1e-3).float().mean() > 0.25


def test_a_mixture_prices_as_its_components_do(
    parts: dict[str, LatencyModel], table: OpTable
) -> None:
    mixed, *own = (parts[name].bind(table, 1) for name in ("mix", "op_process", "held"))
    channels = _channels(mixed)
    first, second = (_prices(part, channels) for part in own)
    torch.testing.assert_close(_prices(mixed, channels), 0.7 * first + 0.3 * second)
    widths = torch.full((mixed.n_widths,), 9.5).double().requires_grad_()
    gradients = [torch.autograd.grad(part(widths), widths)[0] for part in (mixed, *own)]
    torch.testing.assert_close(gradients[0], 0.7 * gradients[1] + 0.3 * gradients[2])


def _channels(bound: BoundModel) -> torch.Tensor:
    """Two rows of fractional channels (2, 5, U), away from steps."""
    generator = torch.Generator().manual_seed(1)
    shape = (2, 5, bound.kernels.count)
    whole = torch.randint(3, 40, shape, generator=generator).double()
    return whole + 0.25 + 0.5 * torch.rand(shape, generator=generator).double()


def _prices(bound: BoundModel, channels: torch.Tensor) -> torch.Tensor:
    return bound.prices(None, KernelContext(*channels.unbind(-2)))
