"""The zoo: known networks under known names."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from lpnet import zoo
from lpnet.errors import SpaceError

PARAMETERS = {
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "vgg16_bn": 138_365_992,
    "mobilenet_v2": 3_504_872,
}


@pytest.mark.parametrize(("name", "count"), PARAMETERS.items())
def test_networks_have_as_many_parameters_as_torchvisions(name: str, count: int) -> None:
    with torch.device("meta"):
        model = zoo.model(name)
    assert sum(parameter.numel() for parameter in model.parameters()) == count


@pytest.mark.parametrize("name", zoo.PLAIN)
def test_networks_give_scores_for_their_classes(name: str) -> None:
    with torch.device("meta"):
        model = zoo.model(name).eval()
    side = zoo.side(name)
    result = model(torch.empty(2, 3, side, side, device="meta"))
    assert result.shape == (2, 10 if side == 32 else 1000)


def test_small_images_keep_some_pixels_in_the_small_mobilenet() -> None:
    rows = zoo.space("mobilenet_v2_32").table.rows
    assert next(row for row in rows if row.mode == "global").h == 4


def test_a_space_is_made_once_and_leaves_the_random_state_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    space = zoo.space("resnet20")
    assert torch.rand(1) == expected
    assert zoo.space("resnet20") is space
    assert space.name == "resnet20"


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    for function in (zoo.model, zoo.space, zoo.side):
        with pytest.raises(SpaceError, match=r"no 'alexnet'.*resnet20"):
            function("alexnet")


def test_importing_the_zoo_needs_no_torch() -> None:
    """Names, and the message of a missing extra, work without it."""
    code = """
import sys
sys.modules["torch"] = None
from lpnet import errors, zoo
try:
    zoo.space("resnet20")
except errors.MissingExtra as error:
    print(zoo.NAMES[0], error.extra)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["resnet20", "client"]
