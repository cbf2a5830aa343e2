"""Ops that slide a window over a signal, an image or a volume: convolution and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf
from typing import Any

import torch
from torch import nn

from lpnet_agent.runtimes.torch.op import Op
from lpnet_agent.runtimes.windows import Window, read_window

# By the number of spatial axes.
_CONVS: dict[int, Any] = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_TRANSPOSED: dict[int, Any] = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_MAX_POOLS: dict[int, Any] = {1: nn.MaxPool1d, 2: nn.MaxPool2d, 3: nn.MaxPool3d}
_AVERAGE_POOLS: dict[int, Any] = {1: nn.AvgPool1d, 2: nn.AvgPool2d, 3: nn.AvgPool3d}
_GLOBAL_POOLS: dict[int, Any] = {
    1: nn.AdaptiveAvgPool1d,
    2: nn.AdaptiveAvgPool2d,
    3: nn.AdaptiveAvgPool3d,
}
_ZERO_PADS: dict[int, Any] = {1: nn.ZeroPad1d, 2: nn.ZeroPad2d, 3: nn.ZeroPad3d}
_PADS: dict[int, Any] = {1: nn.ConstantPad1d, 2: nn.ConstantPad2d, 3: nn.ConstantPad3d}


def conv(op: Op) -> list[nn.Module]:
    weight, bias = op.weight(1), op.optional_weight(2)
    groups = op.attribute("group", 1)
    window = _window(op, weight.shape[2:])
    symmetric = window.before == window.after
    layer = _CONVS[_axes(op)](
        weight.shape[1] * groups,
        weight.shape[0],
        window.kernel,
        window.stride,
        window.before if symmetric else 0,
        window.dilation,
        groups,
        bias is not None,
        device="meta",
    )
    _set_weights(layer, weight, bias)
    return [layer] if symmetric else [_ZERO_PADS[_axes(op)](_sides(window)), layer]


def conv_transpose(op: Op) -> list[nn.Module]:
    weight, bias = op.weight(1), op.optional_weight(2)
    groups = op.attribute("group", 1)
    if op.attribute("output_shape", None) is not None:
        raise op.unsupported("its output_shape is not supported")
    if op.node.attributes.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID"):
        raise op.unsupported("its padding must be explicit")
    window = _window(op, weight.shape[2:])
    if window.before != window.after:
        raise op.unsupported("its pads differ at the start and the end")
    layer = _TRANSPOSED[_axes(op)](
        weight.shape[0],
        weight.shape[1] * groups,
        window.kernel,
        window.stride,
        window.before,
        tuple(op.attribute("output_padding", (0,) * _axes(op))),
        groups,
        bias is not None,
        window.dilation,
        device="meta",
    )
    _set_weights(layer, weight, bias)
    return [layer]


def _set_weights(layer: Any, weight: torch.Tensor, bias: torch.Tensor | None) -> None:
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)


def max_pool(op: Op) -> list[nn.Module]:
    op.check_single_output()
    op.attribute("storage_order", 0)  # of the second output
    window = _window(op)
    separate = _needs_padding_layer(window)
    ceil = bool(op.attribute("ceil_mode", 0))
    pool = _MAX_POOLS[_axes(op)](
        window.kernel,
        window.stride,
        0 if separate else window.before,
        window.dilation,
        ceil_mode=ceil,
    )
    if not separate:
        return [pool]
    _refuse_ceil(op, ceil)
    return [_PADS[_axes(op)](_sides(window), -inf), pool]


def average_pool(op: Op) -> list[nn.Module]:
    window = _window(op)
    if set(window.dilation) != {1}:
        raise op.unsupported("PyTorch has no dilations for it")
    separate = _needs_padding_layer(window)
    ceil = bool(op.attribute("ceil_mode", 0))
    count_pads = bool(op.attribute("count_include_pad", 0))
    pool = _AVERAGE_POOLS[_axes(op)](
        window.kernel,
        window.stride,
        0 if separate else window.before,
        ceil_mode=ceil,
        count_include_pad=count_pads,
    )
    if not separate:
        return [pool]
    _refuse_ceil(op, ceil)
    if not count_pads:
        raise op.unsupported("such pads are only supported with count_include_pad")
    return [_ZERO_PADS[_axes(op)](_sides(window)), pool]


def global_average_pool(op: Op) -> list[nn.Module]:
    return [_GLOBAL_POOLS[_axes(op)](1)]


def _window(op: Op, kernel: Sequence[int] = ()) -> Window:
    _axes(op)
    try:
        return read_window(op.attribute, op.input_shape()[2:], kernel)
    except ValueError as error:
        raise op.unsupported(str(error)) from error


def _needs_padding_layer(window: Window) -> bool:
    # PyTorch's pools pad both ends alike, and at most by half the kernel.
    wide = any(2 * pad > k for pad, k in zip(window.before, window.kernel, strict=True))
    return wide or window.before != window.after


def _sides(window: Window) -> tuple[int, ...]:
    """Pads in the order of PyTorch's padding layers: left, right, top, bottom."""
    pairs = zip(reversed(window.before), reversed(window.after), strict=True)
    return tuple(pad for pair in pairs for pad in pair)


def _refuse_ceil(op: Op, ceil: bool) -> None:
    # PyTorch ignores windows that start in the padding; after a padding layer it cannot.
    if ceil:
        raise op.unsupported("ceil_mode is not supported with such pads")


def _axes(op: Op) -> int:
    """The number of spatial axes."""
    axes = len(op.input_shape()) - 2
    if axes not in _CONVS:
        raise op.unsupported(f"its input has {axes + 2} dimensions, not 3 to 5")
    return axes
