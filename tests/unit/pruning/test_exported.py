"""The exported network of a pruning job: subnormal weights, their effect, and setting them to
zero."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from lpnet.cli.show_prune import subnormal_message
from lpnet.pruning.job import exported
from lpnet.pruning.job.exported import examine
from lpnet.pruning.job.images import ImageDataset, LabelledImages
from lpnet.pruning.job.report import export
from lpnet.pruning.job.subnormals import subnormal_pct
from lpnet.space.space import Space


@pytest.fixture(scope="module")
def images() -> ImageDataset:
    """Seven random images of 8x8 pixels."""
    pixels = torch.randint(0, 256, (7, 3, 8, 8), generator=torch.Generator().manual_seed(0))
    part = LabelledImages(pixels.to(torch.uint8), torch.zeros(7, dtype=torch.int64))
    return ImageDataset("random", ("0",), part, part, flip=False)


def write(file: Path, decayed: int, batch: int = 2) -> Path:
    """A 3x3 conv with 4 filters of which some decayed."""
    weight = np.random.default_rng(3).standard_normal((4, 3, 3, 3)).astype(np.float32)
    weight[:decayed] = 1e-39
    graph = helper.make_graph(
        [helper.make_node("Conv", ["x", "weight"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 8, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 4, 6, 6])],
        [numpy_helper.from_array(weight, "weight")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.save(model, file)
    return file


def weight_of(file: Path) -> np.ndarray:
    return numpy_helper.to_array(onnx.load(file).graph.initializer[0])


@pytest.mark.parametrize("zero", [False, True])
def test_they_are_counted_and_become_zero_if_requested(
    images: ImageDataset, tmp_path: Path, zero: bool
) -> None:
    file = write(tmp_path / "model.onnx", decayed=1)
    before = weight_of(file)
    result = examine(file, images, zero=zero)
    assert (result.subnormals.count, result.zeroed) == (27, zero)
    after = weight_of(file)
    assert bool(after[0].any()) is not zero
    np.testing.assert_array_equal(after[1:], before[1:])
    assert result.effect is not None
    assert result.effect.slowdown > 0
    assert result.effect.output_change < 1e-36
    assert result.effect.max_output > 1
    facts = result.facts()
    assert facts is not None
    assert (facts["pct"], facts["zeroed"]) == (25.0, zero)
    assert facts["max_output"] == pytest.approx(result.effect.max_output, rel=1e-3)
    message = subnormal_message(result, file)
    assert "25.0% of the weights are subnormal (below 1.2e-38), in weight (25.0% of it)" in message
    assert "changes outputs by at most" in message
    assert ("with --zero-subnormals" in message) is not zero
    assert ("lpnet-agent measure --onnx model.onnx" in message) is not zero


def test_the_change_of_outputs_is_over_all_images(
    images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write(tmp_path / "model.onnx", decayed=1)

    def zero_all(model: onnx.ModelProto) -> None:
        weight = model.graph.initializer[0]
        weight.CopyFrom(numpy_helper.from_array(np.zeros((4, 3, 3, 3), np.float32), "weight"))

    monkeypatch.setattr(exported, "zero_subnormals", zero_all)
    result = examine(file, images, zero=False)
    assert result.effect is not None
    outputs = nn.functional.conv2d(
        images.normalised(images.test.images), torch.from_numpy(weight_of(file).copy())
    )
    assert result.effect.output_change == pytest.approx(float(outputs.abs().max()), rel=1e-4)


def test_a_network_without_them_is_neither_run_nor_rewritten(
    images: ImageDataset, tmp_path: Path
) -> None:
    file = write(tmp_path / "model.onnx", decayed=0)
    before = file.read_bytes()
    result = examine(file, images, zero=True)
    assert result.facts() is None
    assert result.effect is None
    assert file.read_bytes() == before


def test_without_onnx_runtime_the_effect_is_unknown(
    images: ImageDataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    file = write(tmp_path / "model.onnx", decayed=1)
    result = examine(file, images, zero=False)
    facts = result.facts()
    assert facts is not None
    assert facts["slowdown"] is None
    assert facts["output_change"] is None
    assert "unknown without ONNX Runtime" in subnormal_message(result, file)


def test_folding_a_norm_into_a_conv_may_make_weights_subnormal(
    images: ImageDataset, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)).eval()
    with torch.no_grad():
        cast(nn.Conv2d, network[0]).weight[:1] = 1e-30
        cast(nn.BatchNorm2d, network[1]).weight[:1] = 1e-9
    assert subnormal_pct(network) == 0
    file = tmp_path / "model.onnx"
    export(network, cast(Space, SimpleNamespace(batch=1, input_shape=(3, 8, 8))), file)
    assert examine(file, images, zero=True).subnormals.count == 27
    assert examine(file, images, zero=True).subnormals.count == 0
