"""Modules that keep the numbers their forward passes use: they follow what is cut."""

from __future__ import annotations

import copy
import io
from typing import Any

import pytest
import torch
from tests.harness.cutting import call, masked, random_channels
from torch import Tensor, nn
from torch.nn import functional as F

from lpnet.space.space import Space

IMAGE = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
TOKENS = torch.randn(2, 9, 16, generator=torch.Generator().manual_seed(0))


class Mixed(nn.Module):
    """A conv of its own for each part of the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.sizes = [channels - channels // 2, channels // 2]
        self.convs = nn.ModuleList(nn.Conv2d(s, s, 3, padding=1, groups=s) for s in self.sizes)

    def forward(self, x: Tensor) -> Tensor:
        parts = torch.split(x, self.sizes, dim=1)
        return torch.cat([conv(part) for conv, part in zip(self.convs, parts, strict=True)], 1)


class Gated(nn.Module):
    """Splits channels last, where the first part gates the two others."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden, part = 2 * channels, channels // 2
        self.up, self.down = nn.Linear(channels, 2 * hidden), nn.Linear(hidden, channels)
        self.indices = (hidden, hidden - part, part)
        self.conv = nn.Conv2d(part, part, 3, padding=1, groups=part)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.up(x.permute(0, 2, 3, 1)).split(self.indices, dim=-1)
        gate, same, moved = parts
        moved = self.conv(moved.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        y: Tensor = self.down(F.gelu(gate) * torch.cat((same, moved), -1))
        return x + y.permute(0, 3, 1, 2)


class Partial(nn.Module):
    """A conv of a quarter of the channels; the sizes are two attributes."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.touched = channels // 4
        self.untouched = channels - self.touched
        self.conv = nn.Conv2d(self.touched, self.touched, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        left, right = torch.split(x, [self.touched, self.untouched], dim=1)
        return torch.cat((self.conv(left), right), 1)


class Maps(nn.Module):
    """Attention over pixels, whose result becomes an image again."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.in_channels = channels
        self.top, self.bottom = nn.Conv2d(channels, 4, 1), nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        n, _, h, w = x.shape
        top = self.top(x).flatten(2)
        weights = (top.transpose(1, 2) @ top).softmax(-1)
        values = self.bottom(x).flatten(2).transpose(1, 2)
        result: Tensor = x + (weights @ values).transpose(1, 2).reshape(n, self.in_channels, h, w)
        return result


def images(middle: type[nn.Module]) -> nn.Module:
    torch.manual_seed(0)
    layers = [nn.Conv2d(3, 16, 1), nn.ReLU(), middle(16), nn.Conv2d(16, 20, 1), nn.ReLU()]
    return nn.Sequential(*layers, middle(20), nn.Conv2d(20, 5, 1)).eval()


class Heads(nn.Module):
    """Attention that computes with the numbers of heads and of their channels."""

    def __init__(self, heads: int = 4, width: int = 4) -> None:
        super().__init__()
        self.count, self.width, self.total = heads, width, heads * width
        self.qkv, self.out = nn.Linear(16, 3 * self.total), nn.Linear(self.total, 16)

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, _ = x.shape
        qkv = self.qkv(x).reshape(n, tokens, 3, self.count, self.width).permute(2, 0, 3, 1, 4)
        y = (qkv[0] @ qkv[1].transpose(-2, -1)).softmax(-1) @ qkv[2]
        result: Tensor = x + self.out(y.transpose(1, 2).reshape(n, tokens, self.total))
        return result


class Transposed(nn.Module):
    """A linear layer whose weight is the other way around, as in GPT-2."""

    def __init__(self, outputs: int, inputs: int) -> None:
        super().__init__()
        self.outputs, self.inputs = outputs, inputs
        self.weight = nn.Parameter(torch.randn(inputs, outputs) / 4)
        self.bias = nn.Parameter(torch.randn(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = torch.addmm(self.bias, x.reshape(-1, x.size(-1)), self.weight)
        return y.view(*x.shape[:-1], self.outputs)


class Splitting(nn.Module):
    """Splits q, k and v by a size that is also that of the embedding."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.layer, self.size, self.head = index, 16, 4
        self.qkv, self.out = Transposed(48, 16), Transposed(16, 16)

    def forward(self, x: Tensor) -> Tensor:
        parts = self.qkv(x).split(self.size, dim=2)
        q, k, v = (p.view(*p.shape[:-1], -1, self.head).transpose(1, 2) for p in parts)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        out: Tensor = self.out(y.reshape(*y.shape[:-2], -1)) * (self.layer / 4)
        return x + out


class Biased(nn.Module):
    """A bias of each head by position, which evaluation caches."""

    index: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.heads, self.total = 4, 32
        self.q, self.k, self.v = nn.Linear(16, 16), nn.Linear(16, 16), nn.Linear(16, 32)
        self.out = nn.Linear(32, 16)
        self.biases = nn.Parameter(torch.randn(4, 5))
        self.register_buffer("index", torch.arange(81).view(9, 9) % 5)
        self.cache: dict[str, Tensor] = {}

    def train(self, mode: bool = True) -> Any:
        if mode:
            self.cache = {}
        return super().train(mode)

    def bias(self) -> Tensor:
        if self.training:
            return self.biases[:, self.index]
        if "bias" not in self.cache:
            self.cache["bias"] = self.biases[:, self.index]
        return self.cache["bias"]

    def forward(self, x: Tensor) -> Tensor:
        n, tokens, _ = x.shape
        q, k, v = (
            m(x).view(n, tokens, self.heads, -1).transpose(1, 2) for m in (self.q, self.k, self.v)
        )
        y = (q @ k.transpose(-2, -1) + self.bias()).softmax(-1) @ v
        result: Tensor = x + self.out(y.transpose(1, 2).reshape(n, tokens, self.total))
        return result


class Pattern(nn.Module):
    """Keeps the lengths of named axes in a dict, and as pairs, as einops does."""

    def __init__(self, **lengths: int) -> None:
        super().__init__()
        self.lengths = lengths
        self._pairs = tuple(lengths.items())

    def forward(self, x: Tensor) -> Tensor:
        three, heads = (length for _, length in self._pairs)
        return x.reshape(*x.shape[:2], three, heads, -1).permute(2, 0, 3, 1, 4)

    def __getstate__(self) -> dict[str, int]:
        return self.lengths

    def __setstate__(self, state: dict[str, int]) -> None:
        Pattern.__init__(self, **state)


class Patterned(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(16, 48), nn.Linear(16, 16)
        self.rearrange = Pattern(qkv=3, heads=4)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.rearrange(self.qkv(x))
        y = (q @ k.transpose(-2, -1)).softmax(-1) @ v
        result: Tensor = x + self.out(y.transpose(1, 2).flatten(2))
        return result


class Square(nn.Module):
    """As many tokens as channels, both of which its forward pass uses."""

    def __init__(self) -> None:
        super().__init__()
        self.channels, self.tokens = 9, 9
        self.up, self.down = nn.Linear(16, 9), nn.Linear(9, 16)

    def forward(self, x: Tensor) -> Tensor:
        y = self.up(x).transpose(1, 2).reshape(len(x), 1, self.channels, self.tokens)
        result: Tensor = x + self.down(
            y.squeeze(1).transpose(1, 2).reshape(len(x), 9, self.channels)
        )
        return result


def tokens(*layers: nn.Module) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(16, 16), *layers, nn.Linear(16, 3)).eval()


def check(model: nn.Module, example: Tensor, frozen: set[str]) -> tuple[Space, Any]:
    """The space, which is pruned at random as the dense model without the channels computes, also
    when it comes from a file."""
    space = Space.from_model(model, example)
    assert {part.reason for part in space.frozen if part.op != "output"} == frozen
    for seed in range(3):
        kept = random_channels(space, seed)
        pruned: Any = Space.from_bytes(space.to_bytes()).prune(model, kept)
        expected = call(masked(space, model, kept), example)
        for left, right in zip(call(pruned, example), expected, strict=True):
            torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)
    return space, pruned


@pytest.mark.parametrize("middle", [Mixed, Gated, Partial, Maps])
def test_sizes_of_parts_follow_their_widths(middle: type[nn.Module]) -> None:
    space, _ = check(images(middle), IMAGE, set())
    assert sum(width.max for width in space.widths) >= 36


def test_each_part_of_equal_size_follows_its_own_width() -> None:
    model = images(Mixed)
    space = Space.from_model(model, IMAGE)
    assert [width.name for width in space.widths] == ["0", "0#2", "3", "3#2"]
    pruned: Any = space.prune(model, {"0": [0, 1, 2], "3#2": [4]})
    assert [pruned[2].sizes, pruned[5].sizes] == [[3, 8], [10, 1]]


@pytest.mark.parametrize("layer", [Heads, Biased, Patterned])
def test_numbers_of_heads_follow(layer: type[nn.Module]) -> None:
    space, _ = check(tokens(layer(), layer()), TOKENS, set())
    heads = [width for width in space.widths if width.layout]
    assert [width.atoms for width in heads] == [4, 4]


def test_copies_of_a_pruned_model_have_its_numbers() -> None:
    model = tokens(Patterned())
    space = Space.from_model(model, TOKENS)
    pruned = space.prune(model, random_channels(space, 1))
    stream = io.BytesIO()
    torch.save(pruned, stream)
    stream.seek(0)
    loaded = torch.load(stream, weights_only=False)
    for restored in (copy.deepcopy(pruned), loaded):
        torch.testing.assert_close(restored(TOKENS), pruned(TOKENS))


def test_what_evaluation_has_cached_is_no_part_of_a_network() -> None:
    model = tokens(Biased())
    fresh = copy.deepcopy(model)
    model(TOKENS)
    space = Space.from_model(model, TOKENS)
    kept = random_channels(space, 1)
    pruned, expected = (space.prune(m, kept)(TOKENS) for m in (model, fresh))
    torch.testing.assert_close(pruned, expected)


def test_the_channels_of_a_single_head_follow() -> None:
    space, pruned = check(tokens(Heads(1, 8), Heads(2, 8)), TOKENS, set())
    widths = [w for w in space.widths if w.name.startswith("1.")]
    assert sum(width.max for width in widths) == 24
    assert pruned[2].width == 8


def test_a_size_that_counts_two_kinds_of_channels_follows_the_right_ones() -> None:
    model = tokens(*(Splitting(index) for index in (3, 4)))
    space, _ = check(model, TOKENS, set())
    (heads,) = (width for width in space.widths if width.name == "1.qkv")
    pruned: Any = space.prune(model, {heads.name: space.atoms(heads.name)[1]})
    attention = pruned[1]
    assert (attention.size, attention.head, attention.layer) == (4, 4, 3)
    assert (attention.qkv.outputs, attention.out.outputs) == (12, 16)
    assert (pruned[2].size, pruned[2].layer) == (16, 4)


def test_a_number_that_is_equal_by_chance_stays() -> None:
    model = tokens(Square())
    space, _ = check(model, TOKENS, set())
    pruned: Any = space.prune(model, {"1.up": [0, 4]})
    assert (pruned[1].channels, pruned[1].tokens) == (2, 9)


def test_a_number_that_no_attribute_holds_freezes() -> None:
    class Literal(Maps):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x).reshape(len(x), -1, 6, 6)[:, :16].reshape(len(x), 16, 36)

    model = nn.Sequential(nn.Conv2d(3, 16, 1), Literal(16), nn.Linear(36, 2)).eval()
    space = Space.from_model(model, IMAGE)
    assert any(part.op in ("forward", "Slice", "output") for part in space.frozen)
    assert "0" not in [width.name for width in space.widths]


def test_the_numbers_of_the_model_itself_stay() -> None:
    model: Any = images(Mixed)
    space = Space.from_model(model, IMAGE)
    space.prune(model, {"0": [0]})
    assert model[2].sizes == [8, 8]
