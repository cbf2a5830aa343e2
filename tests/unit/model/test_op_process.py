"""Op processes whose inducing kernels are drawn: gradients, types, and the way to the roofline."""

from __future__ import annotations

import pytest
import torch
from tests.harness import tokens

from lpnet.model.channel_features import raw, steps_like
from lpnet.model.features import DYNAMIC, STATIC
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.kernels import coverage
from lpnet.model.op_process import OpProcess, OpProcessHeader
from lpnet.model.op_process.bound import BoundOpProcess
from lpnet.model.op_process.columns import (
    NEIGHBOURS,
    features_of,
    scaled_mix,
    type_indices,
)
from lpnet.model.op_types import MORE_TYPES, TYPES
from lpnet.model.static_features import FIRST_STATIC
from lpnet.space.table import OpTable

WIDTHS = torch.tensor(tokens.DENSE).double()
# The log of c_in, and how near c_out is to a multiple of 8.
COLUMNS = (STATIC + 26, STATIC + 6)


def _model(correction: float = 0.5) -> OpProcess:
    """Its inducing kernels are those of the table at full widths, in two channel features."""
    table = tokens.table()
    kernels = KernelTensors.of(table, 1)
    types = torch.unique(type_indices(kernels.static))
    header = OpProcessHeader(
        target="t",
        batches=(1,),
        coverage=coverage(table),
        inducing=len(types),
        columns=len(COLUMNS),
        base_spread=0.01,
    )
    model = OpProcess(header)
    model.columns.copy_(torch.tensor(COLUMNS))
    model.scale.copy_(torch.tensor([0.3, 0.2]))
    model.mean.copy_(torch.tensor([3.0, 0.5]))
    model.points.copy_(torch.randn(len(types), 2, generator=torch.Generator().manual_seed(0)))
    model.types.copy_(types)
    model.weights.fill_(correction)
    model.factor.copy_(0.1 * torch.eye(len(types)))
    return model


@pytest.fixture(scope="module")
def bound() -> BoundOpProcess:
    return _model().bind_kernels(KernelTensors.of(tokens.table(), 1))


def test_gradients_go_through_the_correction(bound: BoundOpProcess) -> None:
    widths = ((0.7 * WIDTHS).floor() + 0.5).requires_grad_()
    assert torch.autograd.gradcheck(bound, (widths,), eps=1e-6, atol=1e-7)
    float32 = bound(widths.float()).double()
    torch.testing.assert_close(float32, bound(widths), rtol=1e-4, atol=0)


def test_a_positive_correction_raises_every_price(bound: BoundOpProcess) -> None:
    rooflines = _model(0.0).bind_kernels(KernelTensors.of(tokens.table(), 1))
    ratio = bound.kernel_ms(WIDTHS) / rooflines.kernel_ms(WIDTHS)
    assert (ratio > 1).all()
    assert (ratio <= torch.tensor(0.5).exp() + 1e-6).all()


def test_only_inducing_kernels_of_the_same_type_count(bound: BoundOpProcess) -> None:
    model = _model()
    model.weights[model.types != TYPES.index("linear")] = 0.0
    own = model.bind_kernels(KernelTensors.of(tokens.table(), 1)).kernel_ms(WIDTHS)
    rooflines = _model(0.0).bind_kernels(KernelTensors.of(tokens.table(), 1)).kernel_ms(WIDTHS)
    linear = type_indices(bound.kernels.static) == TYPES.index("linear")
    assert (own[linear] > rooflines[linear]).all()
    assert torch.equal(own[~linear], rooflines[~linear])


def test_far_away_the_price_is_the_roofline_and_the_spread_the_prior() -> None:
    model = _model()
    model.points += 200.0
    kernels = KernelTensors.of(tokens.table(), 1)
    bound = model.bind_kernels(kernels)
    rooflines = _model(0.0).bind_kernels(kernels)
    torch.testing.assert_close(bound(WIDTHS), rooflines(WIDTHS))
    prices, types = bound.kernel_ms(WIDTHS), type_indices(kernels.static)
    shares = torch.zeros(int(types.max()) + 1).double().index_add(0, types, prices) / prices.sum()
    expected = (0.1 * shares.square().sum() + 0.01**2).sqrt()
    torch.testing.assert_close(bound.spread(WIDTHS), expected, rtol=1e-4, atol=0)
    assert bound.spread(WIDTHS) > _model().bind_kernels(kernels).spread(WIDTHS)


def test_many_points_at_once_are_priced_like_single_ones(bound: BoundOpProcess) -> None:
    many = WIDTHS * torch.linspace(0.3, 1.0, 700)[:, None].double()
    with torch.no_grad():
        together = bound.kernel_ms(many)
        torch.testing.assert_close(together[5], bound.kernel_ms(many[5]))
        torch.testing.assert_close(together[-1], bound.kernel_ms(many[-1]))


def test_every_type_has_its_own_index() -> None:
    static = torch.zeros(len(TYPES) + len(MORE_TYPES), STATIC)
    static[range(len(TYPES)), range(len(TYPES))] = 1.0
    later = range(len(MORE_TYPES))
    static[[len(TYPES) + i for i in later], [FIRST_STATIC + i for i in later]] = 1.0
    assert type_indices(static).tolist() == list(range(len(static)))


def test_features_of_another_version_are_refused() -> None:
    with pytest.raises(ValueError, match="train again"):
        OpProcessHeader(target="t", batches=(1,), coverage=(), dynamic=3)


def test_the_channels_of_neighbours_change_a_price() -> None:
    model = _model()
    model.columns.copy_(torch.tensor([STATIC + DYNAMIC, STATIC + DYNAMIC + 1]))
    bound = model.bind_kernels(KernelTensors.of(tokens.table(), 1))
    context = bound.contexts(WIDTHS)
    wider = context._replace(consumer=2.0 * context.consumer)
    assert not torch.allclose(bound.prices(None, wider), bound.prices(None, context))
    widths = ((0.7 * WIDTHS).floor() + 0.5).requires_grad_()
    assert torch.autograd.gradcheck(bound, (widths,), eps=1e-6, atol=1e-7)


def test_features_at_fixed_widths_are_those_that_a_bound_model_computes() -> None:
    fixed = KernelTensors.of(OpTable.from_ops(tokens.ops_at(*tokens.DENSE)), 1)
    features, _ = features_of(fixed)
    columns = torch.arange(DYNAMIC + NEIGHBOURS)
    unit = torch.ones(len(columns)).double()
    blend, shift = scaled_mix(columns, 0.0 * unit, unit)
    kernels = KernelTensors.of(tokens.table(), 1)
    channels = torch.stack(_model().bind_kernels(kernels).contexts(WIDTHS))
    computed = blend @ raw(kernels.cost, channels, steps_like(channels)) + shift[:, None]
    torch.testing.assert_close(computed.T, features[:, STATIC:])
