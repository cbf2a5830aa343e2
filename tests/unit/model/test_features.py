"""Channel features: exact at whole channels, smooth in between, and with the right slope."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.harness import tokens
from torch import Tensor

from lpnet.errors import LpnetError
from lpnet.model.channel_features import ABSENT, RAW, STEPS, mix, raw, steps_like
from lpnet.model.channel_maps import ChannelMaps
from lpnet.model.features import (
    DYNAMIC,
    STATIC,
    feature_scales,
    features_of,
    required_static,
    with_first_static,
)
from lpnet.model.kernel_tensors import KernelTensors
from lpnet.model.kernels import kernels
from lpnet.model.static_features import FIRST_STATIC
from lpnet.schemas import ops as wire
from lpnet.space.table import OpTable

COST = torch.tensor([[1.0], [2.0], [4.0], [8.0], [36.0]]).double()


def _raw(channels: Tensor) -> Tensor:
    return raw(COST, channels, steps_like(channels))


def _slopes(channels: Tensor) -> Tensor:
    """(RAW, 5), a row of `raw` at a time."""
    at = channels.clone().requires_grad_()
    found = [torch.autograd.grad(_raw(at)[row].sum(), at)[0].squeeze(-1) for row in range(RAW)]
    return torch.stack(found)


def _features(c_in: float, c_out: float) -> Tensor:
    channels = torch.tensor([[c_in], [c_out], [ABSENT], [ABSENT], [1.0]]).double()
    weights, shift = mix()
    return (weights @ _raw(channels)).squeeze(-1) + shift


@given(st.integers(1, 300), st.integers(1, 300))
def test_whole_channels_give_exact_bumps_and_paddings(c_in: int, c_out: int) -> None:
    found = _features(c_in, c_out)
    bumps, paddings = found[:10].reshape(2, 5), found[10:20].reshape(2, 5)
    for side, count in enumerate((c_in, c_out)):
        for place, step in enumerate(STEPS):
            padded = step * math.ceil(count / step)
            assert bumps[side, place].item() == pytest.approx(float(count % step == 0), abs=1e-12)
            assert paddings[side, place].item() == pytest.approx(math.log(padded / count))
    flops, moved = found[-2:].tolist()
    assert flops == pytest.approx(math.log(c_in * c_out) + 2.0)
    assert moved == pytest.approx(math.log(4 * c_in + 8 * c_out + 36 * c_in * c_out))


def test_absent_neighbours_are_multiples_of_nothing() -> None:
    assert _features(64, 64)[20:26].abs().max() < 1e-12


@given(
    st.lists(st.floats(1.0, 200.0), min_size=5, max_size=5),
    st.sampled_from((0, 1, 2, 3, 4)),
)
def test_slopes_are_those_of_the_values(channels: list[float], place: int) -> None:
    at = torch.tensor(channels).double().unsqueeze(-1)
    slopes = _slopes(at)[:, place]
    step = torch.zeros_like(at)
    step[place] = 1e-6
    differences = (_raw(at + step) - _raw(at - step)).squeeze(-1) / 2e-6
    assert slopes == pytest.approx(differences, abs=2e-5)


def test_slopes_do_not_jump_at_whole_channels() -> None:
    for count in (15.0, 16.0, 17.0):
        slopes = []
        for offset in (-1e-9, 0.0, 1e-9):
            at = torch.tensor([count + offset, 3.0, 2.0, 2.0, 1.0]).double().unsqueeze(-1)
            slopes.append(_slopes(at))
        assert (slopes[0] - slopes[1]).abs().max() < 1e-7
        assert (slopes[2] - slopes[1]).abs().max() < 1e-7


def test_nothing_is_computed_for_slopes_without_gradient() -> None:
    at = torch.tensor([17.5, 3.0, 2.0, 2.0, 1.0]).unsqueeze(-1).double()
    with torch.no_grad():
        without = _raw(at)
    assert torch.equal(without, _raw(at.requires_grad_()).detach())


def test_tables_side_by_side_have_the_features_of_each(residual_table: Any) -> None:
    tables = [residual_table(24, 144), residual_table(17, 96)]
    apart = [features_of(KernelTensors.of(table, 2)) for table in tables]
    together = KernelTensors.cat([KernelTensors.of(table, 2) for table in tables])
    features, logs = features_of(together)
    assert torch.equal(features, torch.cat([f for f, _ in apart]))
    assert torch.equal(logs, torch.cat([log for _, log in apart], -1))
    assert together.segment.tolist() == [0] * 9 + [1] * 9
    assert features.shape == (18, STATIC + DYNAMIC)
    assert feature_scales().shape == (STATIC + DYNAMIC,)


def test_flops_and_bytes_are_those_of_the_table(residual_table: Any) -> None:
    table = residual_table(24, 144)
    _, logs = features_of(KernelTensors.of(table, 3))
    flops = logs[0, [0, 1, 2, 5]].exp().sum().item()
    assert flops == pytest.approx(2 * 3 * table.macs(torch.zeros(0).numpy()))
    # The add reads two tensors and writes one.
    assert logs[1, 3].exp().item() == pytest.approx(4 * 3 * 3 * 24 * 28 * 28)


def test_work_and_bytes_of_products_are_those_of_the_table() -> None:
    heads, summed, columns, rows = 4, 16, 49, 25
    product = wire.MatMul(c_in=heads * summed, c_out=heads * columns, groups=heads, h=rows)
    tensors = KernelTensors.of(OpTable.from_ops([product]), 3)
    _, logs = features_of(tensors)
    assert logs[0, 0].exp().item() == pytest.approx(2 * 3 * heads * rows * summed * columns)
    read, second, written = rows * summed, summed * columns, rows * columns
    assert logs[1, 0].exp().item() == pytest.approx(4 * 3 * heads * (read + second + written))
    # Alignment is that of a head: 16 channels, and not 64.
    assert tensors.b_in[0].item() == summed


@pytest.mark.parametrize("varying", ["heads", "size", "both", "columns"])
def test_channels_of_a_product_follow_the_widths(varying: str) -> None:
    """Either per head, or as they are where that is not affine: work and bytes stay right."""
    fixed = OpTable.from_ops([wire.MatMul(c_in=64, c_out=196, groups=4, h=25)])
    one, none = np.ones((1, 1)), np.zeros((1, 1))
    constants = {name: getattr(fixed, name) for name in ("b_in", "b_out", "b_g")}
    maps: dict[str, Any] = {"a_in": none, "a_out": none, "a_g": none, **constants}
    if varying in ("heads", "both"):  # the width is the heads in channels
        maps |= {"a_in": one, "b_in": none[0], "a_g": one / 16, "b_g": none[0]}
    if varying == "heads":
        maps |= {"a_out": one * 49 / 16, "b_out": none[0]}
    if varying == "size":
        maps |= {"a_in": one, "b_in": none[0]}
    if varying == "columns":
        maps |= {"a_out": one, "b_out": np.array([132.0])}
    tensors = KernelTensors.of(replace(fixed, **maps), 1)
    at = ChannelMaps(tensors)(torch.tensor([64.0]).double())
    expected = KernelTensors.of(fixed, 1)
    computed = raw(tensors.cost, at, steps_like(at))[-2:]
    torch.testing.assert_close(computed, features_of(expected)[1])
    assert at[0, 0].item() == pytest.approx(64.0 if varying == "both" else 16.0)


def test_a_reduction_to_one_channel_sums_over_channels() -> None:
    image = {"h": 7, "w": 7}
    across = wire.Reduce(c_in=24, c_out=1, h_out=7, w_out=7, function="mean", **image)
    pooled = wire.Reduce(c_in=24, c_out=24, h_out=1, w_out=1, function="mean", **image)
    _, logs = features_of(KernelTensors.of(OpTable.from_ops([across, pooled]), 1))
    assert logs[0, :2].exp().tolist() == pytest.approx([24 * 49, 24 * 49])
    assert logs[1, :2].exp().tolist() == pytest.approx([4 * (24 + 1) * 49, 4 * 24 * (49 + 1)])


def test_a_broadcast_factor_is_told_apart() -> None:
    table = tokens.table()
    static = KernelTensors.of(table, 1).static
    rows = [kernel.row for kernel in kernels(table)]
    broadcast = static[:, -2]
    assert broadcast[rows.index(19)].item() == pytest.approx(math.log(49))
    assert (broadcast != 0).sum() == 1


def test_the_same_values_on_other_axes_are_no_broadcast() -> None:
    scores = wire.MatMul(c_in=64, c_out=196, groups=4, h=49, inputs=(-1, -2))
    masked = wire.Add(c_in=4, c_out=4, h=49, w=49, inputs=(0, -3))
    static = KernelTensors.of(OpTable.from_ops([scores, masked]), 1).static
    assert (static[:, -2] == 0).all()


def test_features_that_no_kernel_has_need_not_be_trained_on(residual_table: Any) -> None:
    before, _ = features_of(KernelTensors.of(residual_table(), 1))
    after, _ = features_of(KernelTensors.of(tokens.table(), 1))
    assert required_static(before) == FIRST_STATIC
    assert required_static(after) == STATIC
    assert with_first_static(before, FIRST_STATIC).shape[1] == FIRST_STATIC + DYNAMIC
    assert torch.equal(with_first_static(before, STATIC), before)
    assert feature_scales(FIRST_STATIC).shape == (FIRST_STATIC + DYNAMIC,)


def test_a_table_without_ops_is_refused() -> None:
    with pytest.raises(LpnetError, match="without ops"):
        KernelTensors.of(OpTable.from_ops([]), 1)
