"""The test that matters: the op table and the concrete template agree, to the unit, with the model
that Torch-Pruning physically pruned to the same widths."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from functools import cache

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.harness.budget import examples
from torch import nn

from lpnet import zoo
from lpnet.space.counting import Layer, count_module, count_onnx
from lpnet.space.space import Space

# 6 networks, 108 width vectors in all.
EXAMPLES = 18
Run = Callable[..., list[NDArray[np.float32]]]


@cache
def hollow(name: str) -> nn.Module:
    """The network with shapes but no numbers: pruning and counting it costs next to nothing."""
    with torch.device("meta"):
        return zoo.model(name).eval()


@st.composite
def kept_channels(draw: st.DrawFn, space: Space) -> dict[str, list[int]]:
    """Some channels of every width: thin, full or anything between."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    most = draw(st.sampled_from([0.1, 0.5, 1.0, 1.0]))
    counts = [
        width.granule * draw(st.integers(1, max(1, int(most * width.max // width.granule))))
        for width in space.widths
    ]
    return {
        width.name: sorted(rng.permutation(width.max)[:count].tolist())
        for width, count in zip(space.widths, counts, strict=True)
    }


def of_table(space: Space, widths: dict[str, int]) -> list[tuple[str, int, int, int]]:
    return [
        (row.name, op.c_in, op.c_out, getattr(op, "groups", 1))
        for row, op in zip(space.table.rows, space.ops(widths), strict=True)
        if row.type in ("conv2d", "linear", "batch_norm")
    ]


def check(space: Space, kept: dict[str, list[int]], layers: list[Layer]) -> None:
    """`layers` are those of the pruned model, counted by hooks."""
    widths = {name: len(channels) for name, channels in kept.items()}
    assert of_table(space, widths) == [(x.name, x.c_in, x.c_out, x.groups) for x in layers]
    assert space.macs(widths) == sum(layer.macs for layer in layers)
    assert space.params(widths) == sum(layer.params for layer in layers)
    assert count_onnx(space.concrete(widths)) == layers


@pytest.mark.parametrize("name", zoo.PLAIN)
@given(data=st.data())
@examples(EXAMPLES)
def test_table_and_template_agree_with_the_pruned_model(name: str, data: st.DataObject) -> None:
    space = zoo.space(name)
    kept = data.draw(kept_channels(space))
    pruned = space.prune(hollow(name), kept)
    example = torch.empty(1, *space.input_shape, device="meta")
    check(space, kept, count_module(pruned, example))


@pytest.mark.parametrize("name", zoo.PLAIN)
def test_the_dense_space_is_the_network_itself(name: str) -> None:
    space = zoo.space(name)
    layers = count_module(hollow(name), torch.empty(1, *space.input_shape, device="meta"))
    assert of_table(space, space.named(space.dense)) == [
        (layer.name, layer.c_in, layer.c_out, layer.groups) for layer in layers
    ]
    assert space.params(space.dense) == sum(layer.params for layer in layers)


# What the literature gives, in millions of multiply-accumulates.
@pytest.mark.parametrize(
    ("name", "millions"),
    [("resnet50", 4089), ("resnet34", 3664), ("vgg16_bn", 15470), ("mobilenet_v2", 301)],
)
def test_the_zoo_has_the_size_that_is_known(name: str, millions: int) -> None:
    space = zoo.space(name)
    assert round(space.macs(space.dense) / 1e6) == millions


def exported(model: nn.Module, image: torch.Tensor) -> onnx.ModelProto:
    """Torch's own export, as a user would make it."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            warnings.simplefilter("ignore", FutureWarning)
            program = torch.onnx.export(model, (image,), dynamo=True, verbose=False)
    finally:
        logger.setLevel(level)
    assert program is not None
    return program.model_proto


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2_32", "resnet50", "mobilenet_v2"])
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_torchs_own_export_of_the_pruned_model_agrees_and_both_run(
    name: str, seed: int, run: Run
) -> None:
    space = zoo.space(name)
    rng = np.random.default_rng(seed)
    kept = {
        width.name: sorted(rng.permutation(width.max)[: int(rng.integers(1, width.max))].tolist())
        for width in space.widths
    }
    pruned = space.prune(zoo.model(name).eval(), kept)
    image = torch.zeros(1, *space.input_shape)
    model = exported(pruned, image)
    layers = count_onnx(model)
    assert layers == count_module(pruned, image)
    check(space, kept, layers)
    (theirs,) = run(model, image.numpy())
    (ours,) = run(space.concrete({n: len(c) for n, c in kept.items()}), image.numpy())
    assert ours.shape == theirs.shape == (1, pruned(image).shape[1])
