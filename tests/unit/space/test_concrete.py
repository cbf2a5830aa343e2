"""Networks at concrete widths: standard ONNX that runs with finite, normal activations."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from torch import nn

from lpnet import zoo
from lpnet.space.space import Space

Run = Callable[..., list[NDArray[np.float32]]]
FP16_MAX, FP16_NORMAL = 65504.0, 2.0**-14


def every_output(model: onnx.ModelProto) -> onnx.ModelProto:
    del model.graph.output[:]
    for node in model.graph.node:
        model.graph.output.add(name=node.output[0])
    return model


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.13])
@pytest.mark.parametrize("name", zoo.PLAIN)
def test_activations_are_finite_and_of_normal_size_at_every_layer(
    name: str, ratio: float, run: Run
) -> None:
    space = zoo.space(name)
    if name == "vgg16_bn" and ratio == 1.0:
        ratio = 0.75  # its weights alone are half a gigabyte
    model = every_output(space.concrete(np.maximum((space.dense * ratio).astype(int), 4)))
    image = np.random.default_rng(0).standard_normal((1, *space.input_shape)).astype(np.float32)
    names = [node.output[0] for node in model.graph.node]
    for layer, value in zip(names, run(model, image), strict=True):
        size = np.abs(value)
        assert np.isfinite(value).all(), layer
        assert size.max() < FP16_MAX / 100, layer
        assert 0.02 < value.std() < 20, layer
        alive = size[size > 0]
        # What is not zero is well inside the normal numbers of fp16, but for a thin tail.
        assert (alive < FP16_NORMAL).mean() < 0.01, layer
        assert (alive >= np.finfo(np.float32).tiny).all(), layer


@pytest.mark.parametrize("name", zoo.PLAIN)
def test_no_weight_is_subnormal_in_half_precision(name: str) -> None:
    space = zoo.space(name)
    model = space.concrete(np.maximum(space.dense * 3 // 4, 1))
    for tensor in model.graph.initializer:
        value = onnx.numpy_helper.to_array(tensor)
        if value.ndim > 1:
            assert np.abs(value).min() > FP16_NORMAL, tensor.name
            assert np.abs(value).max() < 10, tensor.name
            assert value.std() > 0, tensor.name


@pytest.mark.parametrize("name", ["resnet20", "mobilenet_v2_32"])
def test_a_network_of_single_channels_runs(name: str, run: Run) -> None:
    space = zoo.space(name)
    model = space.concrete(np.ones_like(space.dense))
    onnx.checker.check_model(model, full_check=True)
    (result,) = run(model, np.ones((1, 3, 32, 32), dtype=np.float32))
    assert result.shape == (1, 10)
    assert np.isfinite(result).all()


def test_the_same_arguments_give_the_same_bytes_and_another_seed_others(residual: Space) -> None:
    def made(**arguments: int) -> bytes:
        data: bytes = residual.concrete([5, 7, 11], **arguments).SerializeToString()
        return data

    assert made() == made(seed=0)
    assert made(seed=1) != made(seed=0)
    assert made(seed=1) == made(seed=1)


def test_rows_of_a_weight_longer_than_the_pool_differ(space_of: Callable[..., Space]) -> None:
    space = space_of(nn.Flatten(), nn.Linear(3 * 16 * 16, 1000), nn.Linear(1000, 2))
    model = space.concrete(space.dense)
    weight = onnx.numpy_helper.to_array(model.graph.initializer[0])
    assert weight.shape == (1000, 768)
    assert len(np.unique(weight, axis=0)) == 1000


@pytest.mark.parametrize("name", ["mobilenet_v2", "vgg16_bn"])
def test_a_file_that_is_written_weight_by_weight_holds_the_same_network(
    name: str, tmp_path: Path
) -> None:
    space = zoo.space(name)
    widths = [min(width.max, 64 * width.granule) for width in space.widths]
    space.save_concrete(tmp_path / "network.onnx", widths, seed=3, batch=2)
    assert onnx.load(tmp_path / "network.onnx") == space.concrete(widths, seed=3, batch=2)


def test_batch_is_the_spaces_unless_asked_otherwise(residual: Space, run: Run) -> None:
    space = residual.at(batch=3)
    for batch, model in ((3, space.concrete([4, 4, 4])), (2, space.concrete([4, 4, 4], batch=2))):
        onnx.checker.check_model(model, full_check=True)
        (result,) = run(model, np.zeros((batch, 3, 16, 16), dtype=np.float32))
        assert result.shape == (batch, 5)


def test_channel_counts_are_written_everywhere(residual: Space) -> None:
    model = residual.concrete([5, 7, 11])
    dims = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    assert dims["stem.weight"] == [5, 3, 3, 3]
    assert dims["depthwise.weight"] == [7, 1, 3, 3]
    assert dims["project.weight"] == [5, 7, 1, 1]
    assert dims["fc1.weight"] == [11, 16 * 5]
    groups = {
        node.name: attribute.i
        for node in model.graph.node
        for attribute in node.attribute
        if attribute.name == "group"
    }
    assert groups == {"stem": 1, "expand": 1, "depthwise": 7, "project": 1}
    assert [value.name for value in model.graph.input] == ["input"]


def test_a_batch_norm_that_stands_alone_is_neutral(
    space_of: Callable[..., Space], run: Run
) -> None:
    space = space_of(nn.BatchNorm2d(3), nn.Conv2d(3, 4, 1))
    model = every_output(space.concrete(space.dense))
    image = np.random.default_rng(0).standard_normal((1, 3, 16, 16)).astype(np.float32)
    np.testing.assert_allclose(run(model, image)[0], image, rtol=1e-4, atol=1e-6)


def test_grouped_convs_keep_their_groups_and_depthwise_ones_follow(
    space_of: Callable[..., Space], run: Run
) -> None:
    space = space_of(
        nn.Conv2d(3, 16, 1),
        nn.Conv2d(16, 24, 3, groups=4),
        nn.Conv2d(24, 48, 3, groups=24),
        nn.Conv2d(48, 5, 1),
    )
    widths = {"0": 8, "1": 12}
    assert [getattr(op, "groups", 0) for op in space.ops(widths)] == [1, 4, 12, 1]
    model = space.concrete(widths)
    dims = [list(t.dims) for t in model.graph.initializer if len(t.dims) == 4]
    assert dims == [[8, 3, 1, 1], [12, 2, 3, 3], [24, 1, 3, 3], [5, 24, 1, 1]]
    onnx.checker.check_model(model, full_check=True)
    assert run(model, np.ones((1, 3, 16, 16), dtype=np.float32))[0].shape == (1, 5, 12, 12)
