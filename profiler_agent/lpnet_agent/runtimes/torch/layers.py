"""The supported ONNX ops, as the PyTorch layers that a user's model has for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import isclose

import torch
from torch import Tensor, nn

from lpnet_agent.runtimes.torch.op import Op
from lpnet_agent.runtimes.torch.windows import (
    average_pool,
    conv,
    conv_transpose,
    global_average_pool,
    max_pool,
)

_NORMS: dict[int, type[nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d]] = {
    2: nn.BatchNorm1d,
    3: nn.BatchNorm1d,
    4: nn.BatchNorm2d,
    5: nn.BatchNorm3d,
}


class Clamp(nn.Module):
    """A clip to bounds that no PyTorch activation has."""

    def __init__(self, low: float | None, high: float | None) -> None:
        super().__init__()
        self.low, self.high = low, high

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(x, self.low, self.high)


class LinearSigmoid(nn.Module):
    """A hard sigmoid with another slope than PyTorch's."""

    def __init__(self, slope: float, offset: float) -> None:
        super().__init__()
        self.slope, self.offset = slope, offset

    def forward(self, x: Tensor) -> Tensor:
        return torch.clamp(x * self.slope + self.offset, 0.0, 1.0)


class Mean(nn.Module):
    """A mean over some dimensions."""

    def __init__(self, dims: Sequence[int], keepdim: bool) -> None:
        super().__init__()
        self.dims, self.keepdim = tuple(dims), keepdim

    def forward(self, x: Tensor) -> Tensor:
        return x.mean(self.dims, keepdim=self.keepdim)


def _gemm(op: Op) -> list[nn.Module]:
    """y = alpha * x @ weight + beta * bias, with the factors folded into the weights."""
    if op.attribute("transA", 0):
        raise op.unsupported("transA")
    weight, bias = op.weight(1), op.optional_weight(2)
    if not op.attribute("transB", 0):
        weight = weight.t()
    alpha, beta = op.attribute("alpha", 1.0), op.attribute("beta", 1.0)
    outputs, inputs = weight.shape
    layer = nn.Linear(inputs, outputs, bias is not None, device="meta")
    layer.weight = nn.Parameter((weight * alpha).contiguous(), requires_grad=False)
    if bias is not None:
        if bias.dim() > 1 and bias.numel() != bias.shape[-1]:
            raise op.unsupported(f"its bias differs within a batch: {tuple(bias.shape)}")
        flat = (bias * beta).reshape(-1).expand(outputs).contiguous()
        layer.bias = nn.Parameter(flat, requires_grad=False)
    return [layer]


def _batch_norm(op: Op) -> list[nn.Module]:
    op.check_single_output()
    op.attribute("momentum", 0.9)  # only used in training
    if op.attribute("training_mode", 0):
        raise op.unsupported("training_mode")
    if len(op.input_shape()) not in _NORMS:
        raise op.unsupported(f"its input has {len(op.input_shape())} dimensions")
    weight = op.weight(1)
    layer = _NORMS[len(op.input_shape())](len(weight), eps=op.attribute("epsilon", 1e-5))
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = nn.Parameter(op.weight(2), requires_grad=False)
    layer.running_mean, layer.running_var = op.weight(3), op.weight(4)
    return [layer]


def _clip(op: Op) -> list[nn.Module]:
    op.check_type("float32")
    low, high = _bound(op, 1, "min"), _bound(op, 2, "max")
    if (low, high) == (0, 6):
        return [nn.ReLU6()]
    if (low, high) == (0, None):
        return [nn.ReLU()]
    return [] if low is high is None else [Clamp(low, high)]


def _bound(op: Op, index: int, name: str) -> float | None:
    # An input since opset 11, an attribute before.
    bound = op.optional_constant(index)
    value = op.attribute(name, None) if bound is None else bound.item()
    return None if value is None else float(value)


def _dropout(op: Op) -> list[nn.Module]:
    op.check_single_output()
    for name in ("ratio", "seed"):
        op.attribute(name, None)  # only used in training
    training = op.optional_constant(2)
    if training is not None and training.any():
        raise op.unsupported("training_mode")
    return []


def _selu(op: Op) -> list[nn.Module]:
    for name, value in (("alpha", 1.67326319), ("gamma", 1.05070102)):
        if not isclose(op.attribute(name, value), value, rel_tol=1e-5):
            raise op.unsupported(f"another {name} than that of PyTorch")
    return [nn.SELU()]


def _hard_sigmoid(op: Op) -> list[nn.Module]:
    slope, offset = op.attribute("alpha", 0.2), op.attribute("beta", 0.5)
    if offset == 0.5 and isclose(slope, 1 / 6, rel_tol=1e-5):
        return [nn.Hardsigmoid()]
    return [LinearSigmoid(slope, offset)]


def _gelu(op: Op) -> list[nn.Module]:
    return [nn.GELU(op.attribute("approximate", "none"))]


def _reduce_mean(op: Op) -> list[nn.Module]:
    # The axes are an input since opset 18, an attribute before.
    axes = op.integers(1) or tuple(op.attribute("axes", ()))
    empty_is_noop = bool(op.attribute("noop_with_empty_axes", 0))
    keepdim = bool(op.attribute("keepdims", 1))
    op.check_type("float32")
    if not axes:
        return [] if empty_is_noop else [Mean(range(len(op.input_shape())), keepdim)]
    return [Mean(axes, keepdim)]


# Ops with one tensor as input, as the layers that are applied one after another.
LAYERS: dict[str, Callable[[Op], list[nn.Module]]] = {
    "AveragePool": average_pool,
    "BatchNormalization": _batch_norm,
    "Clip": _clip,
    "Celu": lambda op: [nn.CELU(op.attribute("alpha", 1.0))],
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Dropout": _dropout,
    "Elu": lambda op: [nn.ELU(op.attribute("alpha", 1.0))],
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": global_average_pool,
    "HardSigmoid": _hard_sigmoid,
    "HardSwish": lambda op: [nn.Hardswish()],
    "Identity": lambda op: [],
    "LeakyRelu": lambda op: [nn.LeakyReLU(op.attribute("alpha", 0.01))],
    "MaxPool": max_pool,
    "Mish": lambda op: [nn.Mish()],
    "ReduceMean": _reduce_mean,
    "Relu": lambda op: [nn.ReLU()],
    "Selu": _selu,
    "Sigmoid": lambda op: [nn.Sigmoid()],
    "Softplus": lambda op: [nn.Softplus()],
    "Softsign": lambda op: [nn.Softsign()],
    "Tanh": lambda op: [nn.Tanh()],
    "ThresholdedRelu": lambda op: [nn.Threshold(op.attribute("alpha", 1.0), 0.0)],
}
