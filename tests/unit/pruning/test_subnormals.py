"""Subnormal weights of a pruned network: counted, shown with a remedy, and set to zero."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from lpnet.pruning.job.subnormals import subnormal_pct, zero_subnormals


def network(decayed: int) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 16, 3, bias=False), nn.BatchNorm2d(16, affine=False))
    with torch.no_grad():
        next(model.parameters())[:decayed] = 1e-39
    return model


def test_decayed_filters_are_counted_and_become_zero() -> None:
    model = network(8)
    assert subnormal_pct(model) == pytest.approx(100 * 8 * 27 / (16 * 27 + 2 * 16))
    zero_subnormals(model)
    weight = next(model.parameters())
    assert subnormal_pct(model) == 0
    assert not weight[:8].any()
    assert weight[8:].all()
    assert weight.requires_grad


def test_normal_weights_and_zeros_are_not_counted() -> None:
    model = network(0)
    assert subnormal_pct(model) == 0
    nn.init.zeros_(next(model.parameters()))
    assert subnormal_pct(model) == 0
    # In half precision such weights are computed with as normal numbers.
    assert subnormal_pct(nn.Linear(4, 4).half()) == 0
