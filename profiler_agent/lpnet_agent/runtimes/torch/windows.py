"""Ops that slide a window over an image: convolution and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from math import inf

from torch import nn

from lpnet_agent.runtimes.torch.op import Op
from lpnet_agent.runtimes.windows import Window, read_window


def conv(op: Op) -> list[nn.Module]:
    weight, bias = op.weight(1), op.optional_weight(2)
    groups = op.attribute("group", 1)
    window = _window(op, weight.shape[2:])
    symmetric = _is_symmetric(window)
    layer = nn.Conv2d(
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
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
    return [layer] if symmetric else [nn.ZeroPad2d(_sides(window)), layer]


def max_pool(op: Op) -> list[nn.Module]:
    op.check_single_output()
    op.attribute("storage_order", 0)  # of the second output
    window = _window(op)
    separate = _needs_padding_layer(window)
    ceil = bool(op.attribute("ceil_mode", 0))
    pool = nn.MaxPool2d(
        window.kernel,
        window.stride,
        0 if separate else window.before,
        window.dilation,
        ceil_mode=ceil,
    )
    if not separate:
        return [pool]
    _refuse_ceil(op, ceil)
    return [nn.ConstantPad2d(_sides(window), -inf), pool]


def average_pool(op: Op) -> list[nn.Module]:
    window = _window(op)
    if window.dilation != (1, 1):
        raise op.unsupported("PyTorch has no dilations for it")
    separate = _needs_padding_layer(window)
    ceil = bool(op.attribute("ceil_mode", 0))
    count_pads = bool(op.attribute("count_include_pad", 0))
    pool = nn.AvgPool2d(
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
    return [nn.ZeroPad2d(_sides(window)), pool]


def global_average_pool(op: Op) -> list[nn.Module]:
    _check_image(op)
    return [nn.AdaptiveAvgPool2d(1)]


def _window(op: Op, kernel: Sequence[int] = ()) -> Window:
    _check_image(op)
    try:
        return read_window(op.attribute, op.input_shape()[2:], kernel)
    except ValueError as error:
        raise op.unsupported(str(error)) from error


def _is_symmetric(window: Window) -> bool:
    return window.before == window.after


def _needs_padding_layer(window: Window) -> bool:
    # PyTorch's pools pad both ends alike, and at most by half the kernel.
    wide = any(2 * pad > k for pad, k in zip(window.before, window.kernel, strict=True))
    return wide or not _is_symmetric(window)


def _sides(window: Window) -> tuple[int, int, int, int]:
    """Pads in the order of PyTorch's padding layers: left, right, top, bottom."""
    return window.before[1], window.after[1], window.before[0], window.after[0]


def _refuse_ceil(op: Op, ceil: bool) -> None:
    # PyTorch ignores windows that start in the padding; after a padding layer it cannot.
    if ceil:
        raise op.unsupported("ceil_mode is not supported with such pads")


def _check_image(op: Op) -> None:
    if len(op.input_shape()) != 4:
        raise op.unsupported(f"its input has {len(op.input_shape())} dimensions, not 4")
