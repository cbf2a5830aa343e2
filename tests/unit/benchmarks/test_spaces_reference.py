"""The reference of the families' harness sees a wrong cut, without any part of lpnet."""

from __future__ import annotations

import copy

import pytest
import torch
from benchmarks.spaces.networks import difference, run
from benchmarks.spaces.randomise import calibrate, distinct, randomise
from benchmarks.spaces.reference import Mismatch, kept_positions, masked
from torch import Tensor, nn

EXAMPLE = torch.randn(2, 3, 6, 6, generator=torch.Generator().manual_seed(0))
KEPT = [0, 2, 5]


def network() -> nn.Sequential:
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3),
        nn.BatchNorm2d(6),
        nn.Sigmoid(),
        nn.Conv2d(6, 4, 3),
        nn.Flatten(),
        nn.Linear(16, 2),
    ).eval()
    randomise(model, 0)
    calibrate(model, lambda: model(EXAMPLE))
    return model


def weight(model: nn.Sequential, index: int) -> Tensor:
    tensor = model[index].weight
    assert isinstance(tensor, Tensor)
    return tensor


def pruned(model: nn.Sequential, kept: list[int], read: list[int]) -> nn.Sequential:
    """The first conv keeps some outputs, and the second reads others of its inputs."""
    result = copy.deepcopy(model)
    for layer in (result[0], result[1]):
        for _, tensor in [*layer.named_parameters(), *layer.named_buffers()]:
            if tensor.ndim:
                tensor.data = tensor.data[kept]
    weight(result, 3).data = weight(result, 3).data[:, read]
    return result


def gap(model: nn.Module, cut: nn.Module, seed: int = 1) -> float:
    return difference(
        run(cut, EXAMPLE), run(masked(model, kept_positions(model, cut), seed), EXAMPLE)
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_a_right_cut_computes_what_the_masked_network_computes(seed: int) -> None:
    model = network()
    assert gap(model, pruned(model, KEPT, KEPT), seed) < 1e-5


def test_the_masked_network_differs_from_the_dense_one() -> None:
    model = network()
    positions = kept_positions(model, pruned(model, KEPT, KEPT))
    assert difference(run(masked(model, positions, 1), EXAMPLE), run(model, EXAMPLE)) > 0.01


def test_a_reader_of_other_channels_is_seen() -> None:
    model = network()
    assert gap(model, pruned(model, KEPT, [0, 2, 4])) > 1e-3


def test_channels_in_another_order_are_seen() -> None:
    model = network()
    assert gap(model, pruned(model, [2, 0, 5], KEPT)) > 1e-3


def test_a_sum_over_removed_channels_is_seen() -> None:
    class Summed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 6, 1)

        def forward(self, x: Tensor) -> Tensor:
            y: Tensor = self.conv(x).sum(1)
            return y

    model = Summed()
    randomise(model, 0)
    cut = copy.deepcopy(model)
    for before, after in zip(model.parameters(), cut.parameters(), strict=True):
        after.data = before.data[KEPT]
    assert gap(model, cut) > 1e-3


def test_groups_of_a_grouped_convolution_are_found() -> None:
    model = nn.Sequential(nn.Conv2d(3, 6, 1), nn.Conv2d(6, 4, 1, groups=2))
    randomise(model, 0)
    cut = copy.deepcopy(model)
    kept = [0, 2, 4, 5]
    for tensor in cut[0].parameters():
        tensor.data = tensor.data[kept]
    whole = weight(model, 1).data
    weight(cut, 1).data = torch.cat([whole[:2, [0, 2]], whole[2:, [1, 2]]])
    assert gap(model, cut) < 1e-5
    weight(cut, 1).data = torch.cat([whole[:2, [0, 1]], whole[2:, [1, 2]]])
    assert gap(model, cut) > 1e-3


def test_numbers_that_the_dense_network_lacks_are_refused() -> None:
    model = network()
    cut = pruned(model, KEPT, KEPT)
    weight(cut, 3).data *= 1.5
    with pytest.raises(Mismatch, match=r"3\.weight.*holds numbers that dense lacks"):
        kept_positions(model, cut)


def test_a_channel_that_is_kept_twice_is_refused() -> None:
    model = network()
    with pytest.raises(Mismatch, match="twice"):
        kept_positions(model, pruned(model, [0, 2, 2], KEPT))


@pytest.mark.parametrize("shape", [(7,), (1000,), (300, 500, 3, 3)])
def test_no_two_numbers_are_equal(shape: tuple[int, ...]) -> None:
    numbers = distinct(shape, 0.3, torch.Generator().manual_seed(0))
    assert len(torch.unique(numbers)) == numbers.numel()
    assert numbers.std() == pytest.approx(0.3, rel=0.6)
