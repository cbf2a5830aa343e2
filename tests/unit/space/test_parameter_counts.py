"""Parameters of a space are those of its module, with BatchNorm folded."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.harness.budget import examples
from tests.harness.cutting import random_channels
from tests.harness.networks import Net, weight
from tests.harness.parameters import folded
from tests.unit.space.test_hostile_general import HOSTILE, paths, put
from torch import Tensor, nn

from lpnet.errors import FileFormatError
from lpnet.space import parameter_metadata
from lpnet.space.space import Space
from lpnet.space.summary import summary

IMAGE, WORDS, TOKENS = (2, 3, 8, 8), (2, 6), (2, 6, 8)


def vision() -> nn.Module:
    """A ViT in small: patches, a class token and position embeddings."""

    def forward(m: Any, x: Tensor) -> Tensor:
        x = m.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([m.token.expand(len(x), -1, -1), x], 1) + m.position
        x = x + m.down(m.up(m.norm(x)).relu())
        logits: Tensor = m.head(x[:, 0])
        return logits

    return Net(
        forward,
        patch=nn.Conv2d(3, 8, 4, 4),
        token=weight(1, 1, 8),
        position=weight(1, 5, 8),
        norm=nn.LayerNorm(8),
        up=nn.Linear(8, 16),
        down=nn.Linear(16, 8),
        head=nn.Linear(8, 5),
    )


def text(tied: bool) -> nn.Module:
    def forward(m: Any, x: Tensor) -> Tensor:
        x = m.words(x)
        logits: Tensor = m.vocabulary(x + m.down(m.up(x).relu()))
        return logits

    vocabulary = nn.Linear(8, 40, bias=False)
    words = nn.Embedding(40, 8)
    if tied:
        vocabulary.weight = words.weight
    return Net(
        forward,
        words=words,
        up=nn.Linear(8, 16, bias=False),
        down=nn.Linear(16, 8, bias=False),
        vocabulary=vocabulary,
    )


def grouped() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 12, 3),
        nn.GroupNorm(3, 12),
        nn.PReLU(12),
        nn.Conv2d(12, 8, 3, groups=4, bias=False),
        nn.InstanceNorm2d(8),
        nn.Conv2d(8, 8, 1, bias=False),
        nn.BatchNorm2d(8, affine=False),
        nn.Conv2d(8, 2, 1),
    )


def repeated() -> nn.Module:
    """A layer that runs three times."""

    def forward(m: Any, x: Tensor) -> Tensor:
        x = m.first(x)
        for _ in range(3):
            x = x + m.down(m.up(x).relu())
        logits: Tensor = m.last(x)
        return logits

    layers = {"first": nn.Linear(8, 6), "up": nn.Linear(6, 12), "down": nn.Linear(12, 6)}
    return Net(forward, **layers, last=nn.Linear(6, 4))


def plain() -> nn.Module:
    """Convs with and without a bias and a norm, images only."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, bias=False),
        nn.ReLU(),
        nn.Conv2d(8, 8, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.BatchNorm2d(8),
        nn.Conv2d(8, 4, 1),
    )


MODELS = {
    "vision": (vision, IMAGE),
    "tied": (lambda: text(True), WORDS),
    "text": (lambda: text(False), WORDS),
    "grouped": (grouped, IMAGE),
    "repeated": (repeated, TOKENS),
    "plain": (plain, IMAGE),
}


def example_of(name: str) -> Tensor:
    shape = MODELS[name][1]
    return torch.arange(12).reshape(shape) if name in ("tied", "text") else torch.randn(shape)


@cache
def model_of(name: str) -> nn.Module:
    torch.manual_seed(0)
    return MODELS[name][0]().eval()


@cache
def space_of(name: str) -> Space:
    return Space.from_model(model_of(name), example_of(name))


@pytest.mark.parametrize("name", MODELS)
def test_they_are_those_of_the_module(name: str) -> None:
    space, model = space_of(name), model_of(name)
    assert space.params(space.dense) == folded(model, space)
    for seed in range(3):
        kept = random_channels(space, seed)
        widths = {width: len(channels) for width, channels in kept.items()}
        assert space.params(widths) == folded(space.prune(model, kept), space)


@pytest.mark.parametrize("name", MODELS)
def test_blocks_and_files_hold_them(name: str) -> None:
    space = space_of(name)
    whole = space.params(space.dense)
    parts = [space.block(block.name) for block in space.blocks]
    assert sum(part.params(part.dense) for part in parts) == whole
    for one in (space, *parts):
        again = Space.from_bytes(one.to_bytes())
        assert again.params(again.dense) == one.params(one.dense)
        assert again.to_bytes() == one.to_bytes()
    assert summary(space).params == whole


def test_an_onnx_file_has_those_of_its_arrays(tmp_path: Path) -> None:
    # The exporter writes the class token once for each input.
    file, example = tmp_path / "vision.onnx", torch.randn(1, *IMAGE[1:])
    torch.onnx.export(model_of("vision"), (example,), file, dynamo=True, verbose=False)
    space = Space.from_onnx(file)
    assert space.params(space.dense) == space_of("vision").params(space_of("vision").dense)


def with_entries(text: str) -> bytes:
    model = space_of("vision").to_onnx()
    (prop,) = (prop for prop in model.metadata_props if prop.key == parameter_metadata.KEY)
    prop.value = text
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def entries() -> dict[str, object]:
    (text,) = (
        prop.value
        for prop in space_of("vision").to_onnx().metadata_props
        if prop.key == parameter_metadata.KEY
    )
    content: dict[str, object] = json.loads(text)
    return content


@given(place=st.integers(0, 1 << 20), value=st.sampled_from(HOSTILE), delete=st.booleans())
@examples(100)
def test_a_changed_value_is_refused_or_a_number(place: int, value: object, delete: bool) -> None:
    content = entries()
    every = list(paths(content))
    put(content, every[place % len(every)], value, delete)
    try:
        space = Space.from_bytes(with_entries(json.dumps(content)))
    except FileFormatError:
        return
    assert space.hash == space_of("vision").hash
    assert 0 <= space.params(space.dense) <= 500_000_000


def test_a_row_that_is_not_there_is_refused() -> None:
    text = json.dumps({"entries": [{"row": 4000, "times": 1}]})
    with pytest.raises(FileFormatError, match="names no row or width"):
        Space.from_bytes(with_entries(text))
