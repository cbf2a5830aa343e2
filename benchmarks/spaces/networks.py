"""Running modules and ONNX models on the same example inputs."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

Example = Tensor | Mapping[str, Tensor]
Arrays = list[NDArray[np.generic]]


def run(model: nn.Module, example: Example) -> list[Tensor]:
    """The tensors that a module returns, in order."""
    torch.manual_seed(0)
    with torch.no_grad():
        result = call(model, example)
    return [leaf for leaf in tree_leaves(result) if isinstance(leaf, Tensor)]


def call(model: nn.Module, example: Example) -> Any:
    return model(**example) if isinstance(example, Mapping) else model(example)


def in_double(model: nn.Module) -> nn.Module:
    """A copy in double precision, where rounding hides nothing."""
    return copy.deepcopy(model).double()


def double(example: Example) -> Example:
    if isinstance(example, Mapping):
        return {
            name: value.double() if value.is_floating_point() else value
            for name, value in example.items()
        }
    return example.double() if example.is_floating_point() else example


def run_onnx(model: onnx.ModelProto, example: Example | None) -> Arrays:
    """The outputs of a model in ONNX Runtime, for an example or for random inputs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    if example is None:
        values = [_random(entry.shape, entry.type) for entry in session.get_inputs()]
    else:
        tensors = [*example.values()] if isinstance(example, Mapping) else [example]
        values = [tensor.numpy() for tensor in tensors]
    names = [entry.name for entry in session.get_inputs()]
    outputs: Arrays = session.run(None, dict(zip(names, values, strict=True)))
    return outputs


def _random(shape: list[int], kind: str) -> NDArray[np.generic]:
    if kind == "tensor(float)":
        return np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    return np.zeros(shape, dtype=np.dtype(kind[7:-1].replace("double", "float64")))


def difference(first: list[Tensor], second: list[Tensor]) -> float:
    """The largest difference over the largest number, over all outputs; infinite for others.

    Outputs of other shapes, and numbers that are not finite in one of them, differ infinitely.
    """
    if [tuple(t.shape) for t in first] != [tuple(t.shape) for t in second]:
        return float("inf")
    worst = 0.0
    for a, b in zip(first, second, strict=True):
        if not a.is_floating_point():
            worst = max(worst, 0.0 if torch.equal(a, b) else float("inf"))
            continue
        if a.numel() == 0:
            continue
        scale = float(b.abs().max())
        gap = float((a - b).abs().max())
        if not np.isfinite(gap) or not np.isfinite(scale):
            return float("inf")
        worst = max(worst, gap / scale if scale else gap)
    return worst
