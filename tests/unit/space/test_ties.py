"""Channels that a forward pass takes to be equally many are removed together."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from tests.harness.cutting import in_double, masked, random_channels
from tests.unit.space.test_prune_onnx import exported
from torch import Tensor, nn

from lpnet.space.space import Space

IMAGE = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
Run = Callable[..., Any]


class Halves(nn.Module):
    """The parts of a split that have the size of a number of the module."""

    def __init__(self, channels: int, change: nn.Module) -> None:
        super().__init__()
        self.c = channels // 2
        self.first = nn.Conv2d(channels, 2 * self.c, 1)
        self.change = change
        self.last = nn.Conv2d(2 * self.c, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        a, b = self.first(x).split((self.c, self.c), dim=1)
        result: Tensor = self.last(torch.cat((a, self.change(b)), 1))
        return result


class Attention(nn.Module):
    """Attention over pixels whose output has the channels of its input, as in YOLO11."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.num_heads, self.head_dim = heads, channels // heads
        self.key_dim = self.head_dim // 2
        self.qkv = nn.Conv2d(channels, channels + 2 * self.key_dim * heads, 1)
        self.position = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        sizes = [self.key_dim, self.key_dim, self.head_dim]
        q, k, v = self.qkv(x).view(b, self.num_heads, sum(sizes), h * w).split(sizes, dim=2)
        scores = (q.mT @ k * self.key_dim**-0.5).softmax(-1)
        y = (v @ scores.mT).view(b, c, h, w) + self.position(v.reshape(b, c, h, w))
        return x + self.proj(y)  # type: ignore[no-any-return]


class Numbered(nn.Module):
    """A forward pass that has the number of channels written in it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x).reshape(len(x), 8, -1)
        return y.view_as(x) + x.reshape(len(x), 8, *x.shape[2:])


def between(part: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 16, 1), nn.ReLU(), part, nn.Conv2d(16, 4, 1)).eval()


CHANGES: dict[str, Callable[[], nn.Module]] = {
    "attention": lambda: Attention(8, 2),
    "conv": lambda: nn.Conv2d(8, 8, 3, padding=1),
}


@cache
def model_of(change: str) -> nn.Module:
    return between(Halves(16, CHANGES[change]()))


@cache
def space_of(change: str) -> Space:
    return Space.from_model(model_of(change), IMAGE)


def test_halves_go_together_with_the_heads_that_make_one_of_them() -> None:
    widths = {width.name: (width.max, width.granule) for width in space_of("attention").widths}
    assert widths == {"0": (16, 1), "2.first": (16, 8), "2.last": (16, 1)}
    pruned: Any = space_of("attention").prune(
        model_of("attention"), {"2.first": space_of("attention").atoms("2.first")[1]}
    )
    change = pruned[2].change
    assert (pruned[2].c, change.num_heads, change.qkv.out_channels) == (4, 1, 8)


def test_halves_of_a_plain_split_go_together() -> None:
    widths = {width.name: (width.max, width.granule) for width in space_of("conv").widths}
    assert widths["2.first"] == (16, 2)


@pytest.mark.parametrize("change", CHANGES)
def test_pruned_networks_compute_and_count_what_they_should(change: str, run: Run) -> None:
    space, model = space_of(change), model_of(change)
    proto = exported(model, IMAGE)
    for seed in range(2):
        kept = random_channels(space, seed)
        pruned = space.prune(model, kept)
        expected = masked(space, model, kept).double()(in_double(IMAGE))
        torch.testing.assert_close(pruned.double()(in_double(IMAGE)), expected)
        (result,) = run(space.prune_onnx(proto, kept), IMAGE.numpy())
        np.testing.assert_allclose(result, expected.detach().numpy(), rtol=1e-4, atol=1e-5)
        again = Space.from_model(pruned.float(), IMAGE)
        widths = {name: len(channels) for name, channels in kept.items()}
        assert space.macs(widths) == again.macs(again.dense)
        assert space.params(widths) == again.params(again.dense)


def test_what_ties_do_not_help_stays_frozen() -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 1), Numbered(), nn.Conv2d(8, 4, 1)).eval()
    space = Space.from_model(model, IMAGE)
    assert not space.widths
    assert {part.op for part in space.frozen} == {"forward", "output"}


class TwoHeads(nn.Module):
    """Heads of the scores and of the values are apart, but a module keeps a number for both."""

    def __init__(self, heads: int) -> None:
        super().__init__()
        self.h = heads
        self.q, self.k, self.v = (nn.Linear(8, size * heads) for size in (2, 2, 4))
        self.scores, self.weights = (nn.Conv2d(heads, heads, 1) for _ in range(2))
        self.out = nn.Linear(4 * heads, 8)

    def forward(self, x: Tensor) -> Tensor:
        layers = (self.q, self.k, self.v)
        q, k, v = (f(x).reshape(*x.shape[:2], self.h, -1).transpose(1, 2) for f in layers)
        weights = self.weights(self.scores(q @ k.mT).softmax(-1))
        return x + self.out((weights @ v).transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


@pytest.mark.parametrize("heads", [2, 4])
def test_heads_that_share_a_number_are_cut_alone_or_stay(heads: int) -> None:
    torch.manual_seed(0)
    model, example = TwoHeads(heads).eval(), torch.randn(1, 6, 8)
    space = Space.from_model(model, example)
    for width in space.widths:
        space.prune(model, {width.name: space.atoms(width.name)[0]})


def test_channels_whose_number_sets_a_scale_stay() -> None:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.q, self.k, self.v, self.out = (nn.Linear(8, 8) for _ in range(4))

        def forward(self, x: Tensor) -> Tensor:
            parts = (f(x)[:, None] for f in (self.q, self.k, self.v))
            result: Tensor = self.out(nn.functional.scaled_dot_product_attention(*parts)[:, 0])
            return result

    torch.manual_seed(0)
    space = Space.from_model(Scaled().eval(), torch.randn(1, 6, 8))
    assert [width.name for width in space.widths] == ["v"]
    assert any(part.op == "forward" and "differs" in part.reason for part in space.frozen)
