"""Networks as people write, train and patch them: what a space makes of each."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from tests.harness.cutting import call, masked
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from lpnet.errors import SpaceError, WidthsError
from lpnet.space.space import Space

IMAGE = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def check(model: nn.Module, kept: dict[str, list[int]], example: Any = IMAGE) -> Any:
    """The pruned model, which computes what the dense one does without the channels."""
    model.eval()
    space = Space.from_model(model, example)
    pruned: Any = space.prune(model, kept)
    reference = masked(space, model, kept)
    for left, right in zip(call(pruned, example), call(reference, example), strict=True):
        torch.testing.assert_close(left, right, rtol=1e-4, atol=1e-5)
    return pruned


def frozen(space: Space) -> dict[str, str]:
    return {part.node: part.reason for part in space.frozen if part.op != "output"}


class Plain(nn.Module):
    """Two convs and a head, whose forward pass is `compute`."""

    aux: nn.Module
    fc: nn.Module
    c: nn.Module
    n: nn.Module

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        self.a, self.b, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 12, 3), nn.Linear(12, 5)
        for name, part in parts.items():
            setattr(self, name, part)

    def features(self, x: Tensor) -> Tensor:
        return F.relu(self.a(x))

    def top(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(F.relu(self.b(x)).mean((2, 3)))
        return out

    def forward(self, *inputs: Any, **named: Any) -> Any:
        return self.top(self.features(*inputs))


def normed() -> Any:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 12, 3), nn.BatchNorm2d(12)
    )
    model.append(nn.Sequential(nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(12, 5)))
    for _ in range(3):
        model(torch.randn(8, 3, 12, 12))
    return model


@pytest.mark.parametrize("flag", ["track_running_stats", "training", "requires_grad", "momentum"])
def test_a_norm_that_is_frozen_by_a_flag_is_cut(flag: str) -> None:
    model = normed()
    for index in (1, 4):
        if flag == "requires_grad":
            model[index].requires_grad_(False)
        else:
            setattr(model[index], flag, None if flag == "momentum" else False)
    pruned = check(model, {"0": [0, 2, 5], "3": [1, 2, 3, 4]})
    norm = pruned.get_submodule("1")
    assert isinstance(norm, nn.BatchNorm2d)
    assert norm.num_features == 3
    assert norm.track_running_stats == model[1].track_running_stats
    if flag == "requires_grad":
        assert not norm.weight.requires_grad


class Deep(Plain):
    """A head that only training calls, and reads `a`."""

    def forward(self, x: Tensor) -> Any:
        y = self.features(x)
        return (self.top(y), self.aux(y.mean((2, 3)))) if self.training else self.top(y)


class Detached(Plain):
    """A head that only training calls, and reads nothing that can be cut."""

    def forward(self, x: Tensor) -> Any:
        y = self.top(self.features(x))
        return (y, self.aux(x.mean((2, 3)))) if self.training else y


def test_a_width_that_a_head_of_training_reads_stays() -> None:
    space = Space.from_model(Deep(aux=nn.Linear(8, 5)), IMAGE)
    assert [width.name for width in space.widths] == ["b"]
    assert "cutting it fails" in frozen(space)["a"]
    model = Deep(aux=nn.Linear(8, 5))
    pruned: Any = space.prune(model, {"b": [0, 3]}).train()
    assert [output.shape for output in pruned(IMAGE)] == [(2, 5), (2, 5)]
    with pytest.raises(WidthsError, match="a"):
        space.prune(model, {"a": [0]})


def test_a_head_of_training_that_reads_no_width_harms_nothing() -> None:
    model = Detached(aux=nn.Linear(3, 5))
    space = Space.from_model(model, IMAGE)
    assert [width.name for width in space.widths] == ["a", "b"]
    assert len(space.prune(model, {"a": [0]}).train()(IMAGE)) == 2


class Written(Plain):
    def __init__(self, how: str) -> None:
        super().__init__(fc=nn.Linear(8 * 10 * 10, 5))
        self.how = how

    def forward(self, x: Tensor) -> Tensor:
        y = self.features(x)
        match self.how:
            case "view":
                y = y.view(-1, 8 * 10 * 10)
            case "reshape":
                y = y.reshape(x.shape[0], 8, 100).flatten(1)
            case "unflatten":
                y = nn.Unflatten(1, (8, 100))(y.flatten(1)).flatten(1)
            case "assert":
                assert y.shape[1] == 8, "expected 8 channels"
                y = y.flatten(1)
            case "compare":
                y = y.flatten(1) if y.shape[1] == 8 else y.flatten(1)[:, :10]
        out: Tensor = self.fc(y)
        return out


@pytest.mark.parametrize("how", ["view", "reshape", "unflatten", "assert", "compare"])
def test_channels_that_a_forward_pass_writes_out_stay(how: str) -> None:
    space = Space.from_model(Written(how), IMAGE)
    assert space.widths == ()
    assert "cutting it fails" in frozen(space)["a"]


class Same(Plain):
    """Adds where the shapes agree, as many residual blocks do."""

    def __init__(self) -> None:
        super().__init__(c=nn.Conv2d(8, 8, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)
        y = self.c(x)
        return self.top(x + y if y.shape == x.shape else y)


def test_channels_whose_equality_decides_are_tied() -> None:
    check(Same(), {"a": [0, 5], "b": [1, 2]})


class Keeps(Plain):
    """Keeps its last feature map, and a list of them."""

    def __init__(self) -> None:
        super().__init__()
        self.maps: list[Tensor] = []
        self.last: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:
        self.last = self.features(x)
        self.maps.append(self.last)
        return self.top(self.last)


@pytest.mark.parametrize("ran", [False, True])
def test_a_model_that_keeps_feature_maps_is_left_as_it_was(ran: bool) -> None:
    model = Keeps().eval()
    if ran:
        model(IMAGE)
    last, maps = model.last, list(model.maps)
    space = Space.from_model(model, IMAGE)
    pruned: Any = space.prune(model, {"a": [0, 1, 2]})
    assert model.last is last
    assert len(model.maps) == len(maps)
    pruned(IMAGE)
    assert pruned.last.shape[1] == 3
    assert not any(isinstance(tensor, FakeTensor) for tensor in (*pruned.maps, pruned.last))
    if not ran:
        check(model, {"a": [0, 1, 2]})


def test_hooks_stay_on_the_model_and_are_not_called() -> None:
    model: Any = Plain().eval()
    seen: list[torch.Size] = []
    handle = model.a.register_forward_hook(lambda m, i, out: seen.append(out.shape))
    space = Space.from_model(model, IMAGE)
    seen.clear()
    model(IMAGE)
    assert seen == [torch.Size((2, 8, 10, 10))]
    handle.remove()
    assert space.prune(model, {"a": [0]})(IMAGE).shape == (2, 5)


class TwoNames(Plain):
    def __init__(self) -> None:
        super().__init__(n=nn.BatchNorm2d(8))
        self.stem = nn.Sequential(self.a, self.n, nn.ReLU())
        self.layers = nn.ModuleList([self.a, self.b])

    def forward(self, x: Tensor) -> Tensor:
        return self.top(self.stem(x))


def test_layers_under_two_names_stay_the_same_layers() -> None:
    pruned = check(TwoNames(), {"a": [0, 1, 2], "b": [3, 4]})
    assert pruned.stem[0] is pruned.a is pruned.layers[0]
    assert pruned.a.out_channels == pruned.n.num_features == 3
    assert pruned.layers[1].in_channels == 3


class Tied(nn.Module):
    """Two layers hold the same weight."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.a, self.b = (nn.Conv2d(i, 8, 1) for i in (3, 8, 8))
        self.b.weight = self.a.weight
        self.head = nn.Conv2d(8, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(F.relu(self.b(F.relu(self.a(torch.tanh(self.stem(x)))))))
        return out


def test_a_weight_that_two_layers_hold_stays_one() -> None:
    pruned = check(Tied(), {"stem": [0, 3, 7]})
    assert pruned.a.weight is pruned.b.weight
    assert tuple(pruned.a.weight.shape) == (3, 3, 1, 1)


class OwnNorm(nn.Module):
    """A norm with tensors of its own."""

    mean: Tensor
    var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(channels) + 0.5)
        self.beta = nn.Parameter(torch.rand(channels, 1, 1))
        self.register_buffer("mean", torch.rand(channels))
        self.register_buffer("var", torch.rand(channels) + 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.mean, self.var, self.gamma) + self.beta


class Spread(nn.Module):
    """A scale by the root of the mean square of pixels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.rand(1, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale / (x.pow(2).mean((2, 3), keepdim=True) + 1e-5).sqrt()


@pytest.mark.parametrize("norm", [OwnNorm, Spread])
def test_a_norm_of_ones_own_is_cut(norm: type[nn.Module]) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), norm(8), nn.ReLU(), nn.Conv2d(8, 5, 1))
    pruned = check(model, {"0": [0, 1, 6]})
    assert {tensor.numel() for tensor in pruned[1].state_dict().values()} == {3}


@pytest.mark.parametrize("target", ["model", "example", "both"])
def test_channels_last_is_no_part_of_a_network(target: str) -> None:
    model, example = normed().eval(), IMAGE
    expected = Space.from_model(model, example)
    model, example = copy.deepcopy(model), example
    if target != "example":
        model = model.to(memory_format=torch.channels_last)
    if target != "model":
        example = example.to(memory_format=torch.channels_last)
    space = Space.from_model(model, example)
    assert space == expected
    pruned: Any = space.prune(model, {"0": [0, 1, 2]})
    if target != "example":
        assert model[0].weight.is_contiguous(memory_format=torch.channels_last)
        assert pruned[3].weight.is_contiguous(memory_format=torch.channels_last)


def test_a_normalised_weight_is_cut_or_frozen_with_a_reason() -> None:
    torch.manual_seed(0)
    model: Any = Plain().eval()
    parametrizations.weight_norm(model.a)
    parametrizations.weight_norm(model.b)
    space = Space.from_model(model, IMAGE)
    free = sum(width.max for width in space.widths)
    assert free + sum(part.channels for part in space.frozen) == space.channels
    for width in space.widths:
        pruned: Any = space.prune(model, {width.name: list(range(width.max - 1))})
        gone: Any = copy.deepcopy(model)
        original = gone.get_submodule(width.name).parametrizations.weight.original0
        with torch.no_grad():
            original[-1] = 0
            gone.get_submodule(width.name).bias[-1] = 0
        torch.testing.assert_close(pruned(IMAGE), gone(IMAGE), rtol=1e-4, atol=1e-5)


class Dicts(Plain):
    def forward(self, image: Tensor, scale: Tensor) -> dict[str, Any]:
        y = self.features(image * scale[:, None, None, None])
        return {"maps": [y.mean(1)], "classes": self.top(y)}


def test_inputs_and_outputs_may_be_dicts() -> None:
    example = {"image": IMAGE, "scale": torch.rand(2)}
    model = Dicts().eval()
    space = Space.from_model(model, example)
    assert [width.name for width in space.widths] == ["b"]
    pruned = check(model, {"b": [0, 1, 2]}, example)
    assert list(pruned(**example)) == ["maps", "classes"]


class Bytes(Plain):
    def forward(self, x: Tensor) -> Tensor:
        return self.top(self.features(x.permute(0, 3, 1, 2).float() / 255))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int64])
def test_images_may_be_whole_numbers(dtype: torch.dtype) -> None:
    example = torch.randint(0, 255, (2, 12, 12, 3), dtype=dtype)
    check(Bytes(), {"a": [0, 1], "b": [2]}, example)


def test_a_layer_that_waits_for_its_first_input_is_a_clear_error() -> None:
    model = nn.Sequential(nn.LazyConv2d(8, 3), nn.ReLU(), nn.LazyConv2d(5, 3))
    with pytest.raises(SpaceError, match=r"0\.weight has no shape yet.*run the model once"):
        Space.from_model(model, IMAGE)


def test_another_resolution_is_refused_where_an_adaptive_pool_fixes_it() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.AdaptiveAvgPool2d(3), nn.Conv2d(8, 6, 3, padding=1)
    )
    model.append(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5)))
    space = Space.from_model(model, IMAGE)
    with pytest.raises(SpaceError, match="adaptive pool"):
        space.at(resolution=24)


def test_frozen_by_hand() -> None:
    model = Plain()
    space = Space.from_model(model, IMAGE, frozen=["a", "he*"])
    assert [width.name for width in space.widths] == ["b"]
    assert frozen(space)["a"] == "frozen by hand"
    with pytest.raises(WidthsError, match="a is frozen"):
        space.prune(model, {"a": [0]})
    with pytest.raises(SpaceError, match=r"no layer matches 'x\*'; layers are a, b, head"):
        Space.from_model(model, IMAGE, frozen=["x*"])


def test_a_layer_of_a_single_output_can_be_frozen_by_hand() -> None:
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
    space = Space.from_model(model, torch.zeros(2, 4), frozen=["2"])
    assert [width.name for width in space.widths] == ["0"]
