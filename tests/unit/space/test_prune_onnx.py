"""Removing channels from ONNX models that torch exported."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from benchmarks.spaces import counts
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from lpnet.errors import SpaceError
from lpnet.space.space import Space

Run = Callable[..., list[NDArray[np.float32]]]
IMAGE = torch.randn(1, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def exported(model: nn.Module, example: Tensor) -> onnx.ModelProto:
    with torch.no_grad():
        program = torch.onnx.export(model, (example,), dynamo=True, verbose=False)
    assert program is not None
    proto: onnx.ModelProto = program.model_proto
    return proto


def check(model: nn.Module, kept: dict[str, list[int]], run: Run, example: Tensor = IMAGE) -> Any:
    """The pruned ONNX model, which computes what the pruned module computes."""
    model.eval()
    space = Space.from_model(model, example)
    pruned = space.prune_onnx(exported(model, example), kept)
    (result,) = run(pruned, example.numpy())
    expected = space.prune(model, kept)(example)
    torch.testing.assert_close(torch.from_numpy(result), expected, rtol=1e-4, atol=1e-5)
    return pruned


class Copied(nn.Module):
    """Two branches whose layers are copies of each other, as in a new nn.TransformerEncoder."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 6, 1)
        self.a = nn.Sequential(nn.Conv2d(6, 8, 3), nn.ReLU(), nn.Conv2d(8, 6, 3))
        self.b = copy.deepcopy(self.a)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.stem(x))
        result: Tensor = self.a(x).mean((2, 3)) - self.b(x * 2).mean((2, 3))
        return result


def test_equal_weights_that_an_export_shares_are_cut_apart(run: Run) -> None:
    torch.manual_seed(0)
    check(Copied(), {"a.0": [0, 1, 5], "b.0": [2, 3, 6, 7]}, run)


class Blurred(nn.Module):
    """A forward pass that computes the kernel of a blur, for as many channels as it reads."""

    def __init__(self, *shares: float) -> None:
        super().__init__()
        self.shares = shares
        self.convs = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, 6, 3))
        self.head = nn.Sequential(nn.Conv2d(6, 6, 1), nn.ReLU(), nn.Conv2d(6, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.convs(x)
        row = torch.tensor(self.shares)
        kernel = (row[:, None] * row)[None, None].repeat(x.shape[1], 1, 1, 1)
        result: Tensor = self.head(F.conv2d(x, kernel, groups=x.shape[1]))
        return result


@pytest.mark.parametrize("shares", [(0.25, 0.5, 0.25), (0.5, 0.5)])
def test_a_kernel_that_a_forward_pass_computes_is_kept_whole(
    shares: tuple[float, ...], run: Run
) -> None:
    torch.manual_seed(0)
    pruned = check(Blurred(*shares), {"convs.0": [1, 4], "head.0": [0, 3, 5]}, run)
    sides = sorted(tuple(tensor.dims) for tensor in pruned.graph.initializer)
    assert (6, 1, len(shares), len(shares)) in sides


class Rotary(nn.Module):
    """Two layers of attention that share rotary embeddings, which a forward pass computes."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv = nn.ModuleList(nn.Linear(8, 24) for _ in range(2))
        self.out = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        angles = torch.arange(x.shape[1])[:, None] * torch.tensor([1.0, 0.1]).repeat(2)
        cos, sin = angles.cos(), angles.sin()
        for qkv, out in zip(self.qkv, self.out, strict=True):
            q, k, v = (part.unflatten(-1, (-1, 4)).transpose(1, 2) for part in qkv(x).chunk(3, -1))
            q, k = (t * cos + torch.cat([-t[..., 2:], t[..., :2]], -1) * sin for t in (q, k))
            x = x + out(((q @ k.mT).softmax(-1) @ v).transpose(1, 2).flatten(2))
        return x


def test_angles_that_a_forward_pass_computes_tie_no_heads(run: Run) -> None:
    torch.manual_seed(0)
    example = torch.randn(1, 6, 8)
    heads = Space.from_model(Rotary().eval(), example).atoms("qkv.0")
    pruned = check(Rotary(), {"qkv.0": heads[1]}, run, example)
    assert [6, 4] in [list(tensor.dims) for tensor in pruned.graph.initializer]


def test_heads_with_such_angles_are_free_in_a_file(run: Run, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, example = Rotary().eval(), torch.randn(1, 6, 8)
    space, proto = Space.from_model(model, example), exported(model, example)
    onnx.save(proto, tmp_path / "rotary.onnx")
    of_file = Space.from_onnx(tmp_path / "rotary.onnx")
    assert [(w.max, w.layout) for w in of_file.widths] == [(w.max, w.layout) for w in space.widths]
    first = of_file.widths[0].name
    pruned = of_file.prune_onnx(proto, {first: of_file.atoms(first)[0]})
    (result,) = run(pruned, example.numpy())
    expected = space.prune(model, {"qkv.0": space.atoms("qkv.0")[0]})(example)
    torch.testing.assert_close(torch.from_numpy(result), expected, rtol=1e-4, atol=1e-5)


class Upper(nn.Module):
    """A linear layer of the products of channels, each pair once: a forward pass counts them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.convs = nn.Sequential(nn.Conv2d(3, 6, 3), nn.ReLU(), nn.Conv2d(6, channels, 1))
        self.head = nn.Linear(channels * (channels + 1) // 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.convs(x).flatten(2)
        products = torch.bmm(x, x.transpose(1, 2)) / x.shape[2]
        side = products.shape[1]
        pairs = torch.ones(side, side).triu().view(side * side).nonzero()
        result: Tensor = self.head(products.flatten(1)[:, pairs].flatten(1))
        return result


# The exporter folds neither matrix, and the larger one exceeds what is folded otherwise.
@pytest.mark.parametrize("channels", [128, 520])
def test_shapes_that_a_forward_pass_counts_are_fixed(channels: int, run: Run) -> None:
    torch.manual_seed(0)
    model = Upper(channels).eval()
    check(model, {"convs.0": [1, 4]}, run)
    assert counts.onnx_macs(exported(model, IMAGE)) == counts.macs(model, IMAGE)


def test_a_shape_that_depends_on_the_input_is_refused_by_name() -> None:
    class Positive(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x[x > 0].sum()

    model = nn.Sequential(nn.Conv2d(3, 6, 1), Positive())
    with pytest.raises(SpaceError, match="which NonZero computes, is not fixed"):
        Space.from_model(model, IMAGE)
