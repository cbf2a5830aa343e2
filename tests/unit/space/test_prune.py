"""Physical pruning: the right channels go, and only they."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.budget import examples
from torch import Tensor, nn

from lpnet import zoo
from lpnet.errors import SpaceError, WidthsError
from lpnet.space.space import Space

Make = Callable[..., Space]


def silenced(model: nn.Module, layers: Mapping[str, Sequence[int]]) -> nn.Module:
    """A copy in which layers' channels give zero: the same function as without them."""
    quiet = copy.deepcopy(model)
    with torch.no_grad():
        for path, channels in layers.items():
            module = quiet.get_submodule(path)
            for parameter in module.parameters(recurse=False):
                parameter[list(channels)] = 0
            if isinstance(module, nn.BatchNorm2d) and module.running_mean is not None:
                module.running_mean[list(channels)] = 0
    return quiet


# Which layers give the channels of each width, written down by hand.
GIVES = {
    "stem": ("stem", "bn", "project", "bn3"),
    "expand": ("expand", "depthwise", "bn2"),
    "fc1": ("fc1",),
}
SIZES = {"stem": 8, "expand": 12, "fc1": 20}


@given(data=st.data())
@examples(25)
def test_a_pruned_model_computes_what_the_model_with_silenced_channels_computes(
    residual: Space, residual_model: nn.Module, data: st.DataObject
) -> None:
    kept = {
        name: data.draw(st.permutations(range(size)))[: data.draw(st.integers(1, size))]
        for name, size in SIZES.items()
        if data.draw(st.booleans())
    }
    pruned = residual.prune(residual_model, kept)
    gone = {
        layer: sorted(set(range(SIZES[name])) - set(channels))
        for name, channels in kept.items()
        for layer in GIVES[name]
    }
    image = torch.randn(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = silenced(residual_model, gone)(image)
        torch.testing.assert_close(pruned(image), expected, rtol=1e-4, atol=1e-5)
    counts = {name: len(kept.get(name, range(size))) for name, size in SIZES.items()}
    stem, fc1 = pruned.get_submodule("stem"), pruned.get_submodule("fc1")
    assert stem.out_channels == counts["stem"]
    assert fc1.in_features == 16 * counts["stem"]
    assert pruned.get_submodule("depthwise").groups == counts["expand"]


def test_the_model_itself_is_left_alone(residual: Space, residual_model: nn.Module) -> None:
    before = {name: value.clone() for name, value in residual_model.state_dict().items()}
    pruned = residual.prune(residual_model, {"stem": [0]})
    assert pruned is not residual_model
    for name, value in residual_model.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)


def test_keeping_everything_keeps_every_value(residual: Space, residual_model: nn.Module) -> None:
    same = residual.prune(residual_model, {})
    for name, value in same.state_dict().items():
        torch.testing.assert_close(value, residual_model.state_dict()[name], rtol=0, atol=0)


def test_frozen_parameters_stay_frozen(residual: Space, residual_model: nn.Module) -> None:
    model = copy.deepcopy(residual_model)
    model.get_submodule("stem").requires_grad_(False)
    pruned = residual.prune(model, {"stem": [1, 2]})
    assert not pruned.get_submodule("stem").weight.requires_grad
    assert pruned.get_submodule("project").weight.requires_grad


def test_a_pruned_model_is_a_space_again(residual: Space, residual_model: nn.Module) -> None:
    pruned = residual.prune(residual_model, {"stem": [1, 2, 5], "fc1": range(7)})
    again = Space.from_model(pruned, torch.zeros(1, 3, 16, 16))
    assert again.dense.tolist() == [3, 12, 7]
    assert again.macs(again.dense) == residual.macs([3, 12, 7])


@pytest.mark.parametrize(
    ("kept", "message"),
    [
        ({"none": [0]}, "no width none"),
        ({"stem": []}, "stem: no channel is kept"),
        ({"stem": [0, 8]}, "stem: channel 8 is outside 0 to 7"),
        ({"stem": [-1]}, "stem: channel -1 is outside"),
        ({"stem": [1, 1]}, "stem: a channel is listed twice"),
        ({"stem": [0.5]}, "stem: kept channels must be integers"),
    ],
)
def test_wrong_channels_are_named(
    kept: dict[str, list[int]], message: str, residual: Space, residual_model: nn.Module
) -> None:
    with pytest.raises(WidthsError, match=message):
        residual.prune(residual_model, kept)


def test_another_model_is_refused_by_its_first_layer_that_differs(
    residual: Space, residual_model: nn.Module
) -> None:
    with pytest.raises(SpaceError, match="no module 'stem'"):
        residual.prune(zoo.model("resnet20"), {})
    once = residual.prune(residual_model, {"stem": [0, 1]})
    with pytest.raises(SpaceError, match=r"stem\.weight has shape \[2, 3, 3, 3\], but"):
        residual.prune(once, {})


class Grouped(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(3, 8, 1)
        self.grouped = nn.Conv2d(8, 12, 3, groups=4)
        self.twice = nn.Conv2d(12, 24, 3, groups=12)
        self.out = nn.Conv2d(24, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.relu(self.grouped(self.a(x)))
        out: Tensor = self.out(self.twice(x))
        return out


def test_a_grouped_conv_keeps_each_groups_own_channels(space_of: Make) -> None:
    model = Grouped().eval()
    space = Space.from_model(model, torch.zeros(1, 3, 9, 9))
    # Of every group another channel: what Torch-Pruning's function for this layer gets wrong.
    kept = {"a": [1, 2, 5, 6], "grouped": [0, 2, 3, 4, 7, 8, 10, 11]}
    pruned = space.prune(model, kept)
    gone = {
        "a": [0, 3, 4, 7],
        "grouped": [1, 5, 6, 9],
        "twice": [c for i in (1, 5, 6, 9) for c in (2 * i, 2 * i + 1)],
    }
    image = torch.randn(1, 3, 9, 9, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        torch.testing.assert_close(pruned(image), silenced(model, gone)(image))
    twice = pruned.get_submodule("twice")
    assert isinstance(twice, nn.Conv2d)
    assert (twice.in_channels, twice.out_channels, twice.groups) == (8, 16, 8)


def test_a_grouped_conv_refuses_groups_of_different_size() -> None:
    model = Grouped()
    space = Space.from_model(model, torch.zeros(1, 3, 9, 9))
    with pytest.raises(WidthsError, match="not a multiple of 4"):
        space.prune(model, {"a": [0, 1, 2]})
    with pytest.raises(WidthsError, match=r"grouped: its 4 groups must.*\[2, 1, 1, 0\]"):
        space.prune(model, {"a": [0, 1, 2, 4]})
