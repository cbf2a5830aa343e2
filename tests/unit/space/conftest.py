"""Small networks and what is done with them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache

import numpy as np
import onnx
import onnxruntime as ort
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.onnx._internal.exporter._registration import ONNXRegistry

from lpnet.space.space import Space

Run = Callable[..., list[NDArray[np.float32]]]
Make = Callable[..., Space]

# Half of the time of exporting a small network goes into reading what the exporter knows.
ONNXRegistry.from_torchlib = staticmethod(cache(ONNXRegistry.from_torchlib))  # type: ignore


class Residual(nn.Module):
    """Stem, a residual block with a depthwise conv, silu, and a linear layer after a flatten."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, 2, 1, bias=False)
        self.bn = nn.BatchNorm2d(8)
        self.act = nn.SiLU()
        self.expand = nn.Conv2d(8, 12, 1)
        self.depthwise = nn.Conv2d(12, 12, 3, padding=1, groups=12, bias=False)
        self.bn2 = nn.BatchNorm2d(12)
        self.project = nn.Conv2d(12, 8, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(8)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(8 * 4 * 4, 20)
        self.fc2 = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.act(self.bn(self.stem(x)))
        y = nn.functional.relu6(self.expand(x))
        y = nn.functional.relu(self.bn2(self.depthwise(y)))
        x = x + self.bn3(self.project(y))
        x = torch.flatten(self.pool(x), 1)
        out: Tensor = self.fc2(nn.functional.relu(self.fc1(x)))
        return out


@pytest.fixture(scope="session")
def residual_model() -> nn.Module:
    """A small network with everything that couples channels; its statistics are not trivial."""
    torch.manual_seed(0)
    model = Residual()
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            nn.init.uniform_(module.running_mean, -0.5, 0.5)  # type: ignore[arg-type]
            nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
    return model.eval()


@pytest.fixture(scope="session")
def residual(residual_model: nn.Module) -> Space:
    return Space.from_model(residual_model, torch.zeros(1, 3, 16, 16))


@pytest.fixture(scope="session")
def space_of() -> Make:
    """The space of layers in a row, on a 3 x 16 x 16 input unless another shape is given."""

    def make(*layers: nn.Module, shape: tuple[int, ...] = (1, 3, 16, 16)) -> Space:
        return Space.from_model(nn.Sequential(*layers), torch.zeros(shape))

    return make


@pytest.fixture(scope="session")
def run() -> Run:
    """Run an ONNX model in ONNX Runtime on one thread: all its outputs for one input."""

    def run(
        model: onnx.ModelProto,
        image: NDArray[np.float32],
        weights: Mapping[str, NDArray[np.float32]] | None = None,
    ) -> list[NDArray[np.float32]]:
        options = ort.SessionOptions()
        options.intra_op_num_threads = 1
        session = ort.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
        feed = {session.get_inputs()[0].name: image, **(weights or {})}
        return [np.asarray(output) for output in session.run(None, feed)]

    return run
