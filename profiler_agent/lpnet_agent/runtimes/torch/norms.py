"""Norms that are computed from their input, and softmax."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

from torch import Tensor, fx, nn
from torch.nn import functional

from lpnet_agent.runtimes.torch.op import Op

# Before this version a softmax was over all axes from `axis` on.
_SINGLE_AXIS = 13


def _layer_norm(op: Op) -> fx.Node:
    op.check_single_output()
    op.refuse_unless("stash_type", 1)
    shape = op.input_shape()
    sides = shape[op.axis(op.attribute("axis", -1)) :]
    layer = nn.LayerNorm(sides, eps=op.attribute("epsilon", 1e-5), device="meta")
    layer.weight = _parameter(op, op.weight(1), sides)
    bias = op.optional_weight(2)
    layer.bias = None if bias is None else _parameter(op, bias, sides)  # type: ignore[assignment]
    return op.layer(layer)


def _parameter(op: Op, weight: Tensor, sides: tuple[int, ...]) -> nn.Parameter:
    if weight.numel() not in (1, prod(sides)):
        raise op.unsupported(f"its weight {tuple(weight.shape)} does not fit {sides}")
    flat = weight.reshape(-1).expand(prod(sides)).reshape(sides)
    return nn.Parameter(flat.contiguous(), requires_grad=False)


def _instance_norm(op: Op) -> fx.Node:
    return _grouped(op, op.input_shape()[1], op.attribute("epsilon", 1e-5))


def _group_norm(op: Op) -> fx.Node:
    op.refuse_unless("stash_type", 1)
    return _grouped(op, int(op.required("num_groups")), op.attribute("epsilon", 1e-5))


def _grouped(op: Op, groups: int, epsilon: float) -> fx.Node:
    shape = op.input_shape()
    channels = shape[1]
    if prod(shape[2:]) * channels // groups == 1:
        raise op.unsupported("it normalises groups of a single value")
    layer = nn.GroupNorm(groups, channels, eps=epsilon, device="meta")
    layer.weight = _per_channel(op, op.weight(1), channels, groups)
    layer.bias = _per_channel(op, op.weight(2), channels, groups)
    return op.layer(layer)


def _per_channel(op: Op, weight: Tensor, channels: int, groups: int) -> nn.Parameter:
    # Until opset 20 a GroupNormalization has a weight per group.
    if weight.numel() == groups:
        weight = weight.reshape(-1).repeat_interleave(channels // groups)
    if weight.numel() != channels:
        raise op.unsupported(f"its weight {tuple(weight.shape)} does not fit {channels} channels")
    return nn.Parameter(weight.reshape(-1), requires_grad=False)


def _softmax(op: Op) -> fx.Node:
    rank = len(op.input_shape())
    axis = op.axis(op.attribute("axis", -1 if op.opset >= _SINGLE_AXIS else 1))
    if op.opset < _SINGLE_AXIS and axis != rank - 1:
        raise op.unsupported(f"a softmax over several axes, as in opset {op.opset}")
    layer = nn.Softmax(axis) if op.node.op == "Softmax" else nn.LogSoftmax(axis)
    return op.layer(layer)


def _rms_norm(op: Op) -> fx.Node:
    op.refuse_unless("stash_type", 1)
    sides = op.input_shape()[op.axis(op.attribute("axis", -1)) :]
    layer = nn.RMSNorm(sides, eps=op.attribute("epsilon", 1e-5), device="meta")
    layer.weight = _parameter(op, op.weight(1), sides)
    return op.layer(layer)


def _lp_norm(op: Op) -> fx.Node:
    op.refuse_unless("p", 2)
    axis = op.axis(op.attribute("axis", -1))
    return op.call(functional.normalize, op.tensor(), dim=axis)


FUNCTIONS: dict[str, Callable[[Op], fx.Node]] = {
    "GroupNormalization": _group_norm,
    "InstanceNormalization": _instance_norm,
    "LayerNormalization": _layer_norm,
    "LogSoftmax": _softmax,
    "LpNormalization": _lp_norm,
    "RMSNormalization": _rms_norm,
    "Softmax": _softmax,
}
