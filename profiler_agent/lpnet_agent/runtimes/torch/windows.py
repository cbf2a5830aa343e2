"""Ops that slide a window over a picture: convolution and pooling."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf

from torch import nn

from lpnet_agent.runtimes.torch.op import Op

Pair = tuple[int, int]
_NONE, _ONES = (0, 0), (1, 1)


@dataclass(frozen=True)
class Window:
    """Height before width in every pair. `before` and `after` are the pads at either end."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    after: Pair

    @property
    def even(self) -> bool:
        """Padded alike at both ends, as PyTorch's own layers do it."""
        return self.before == self.after

    @property
    def sides(self) -> tuple[int, int, int, int]:
        """Pads as PyTorch's padding layers take them: left, right, top, bottom."""
        return self.before[1], self.after[1], self.before[0], self.after[0]


def conv(op: Op) -> list[nn.Module]:
    weight, bias = op.weight(1), op.optional_weight(2)
    groups = op.attribute("group", 1)
    window = _window(op, weight.shape[2:])
    layer = nn.Conv2d(
        weight.shape[1] * groups,
        weight.shape[0],
        window.kernel,
        window.stride,
        window.before if window.even else 0,
        window.dilation,
        groups,
        bias is not None,
        device="meta",
    )
    layer.weight = nn.Parameter(weight, requires_grad=False)
    layer.bias = None if bias is None else nn.Parameter(bias, requires_grad=False)
    return [layer] if window.even else [nn.ZeroPad2d(window.sides), layer]


def max_pool(op: Op) -> list[nn.Module]:
    op.only_output()
    op.attribute("storage_order", 0)  # that of the indices
    window = _window(op)
    apart = _padded_apart(window)
    ceil = bool(op.attribute("ceil_mode", 0))
    pool = nn.MaxPool2d(
        window.kernel,
        window.stride,
        0 if apart else window.before,
        window.dilation,
        ceil_mode=ceil,
    )
    if not apart:
        return [pool]
    _refuse_ceil(op, ceil)
    return [nn.ConstantPad2d(window.sides, -inf), pool]


def average_pool(op: Op) -> list[nn.Module]:
    window = _window(op)
    if window.dilation != _ONES:
        raise op.refused("PyTorch has no dilations for it")
    apart = _padded_apart(window)
    ceil = bool(op.attribute("ceil_mode", 0))
    counted = bool(op.attribute("count_include_pad", 0))
    pool = nn.AvgPool2d(
        window.kernel,
        window.stride,
        0 if apart else window.before,
        ceil_mode=ceil,
        count_include_pad=counted,
    )
    if not apart:
        return [pool]
    _refuse_ceil(op, ceil)
    if not counted:
        raise op.refused("such pads can only be counted (count_include_pad)")
    return [nn.ZeroPad2d(window.sides), pool]


def global_average_pool(op: Op) -> list[nn.Module]:
    _of_pictures(op)
    return [nn.AdaptiveAvgPool2d(1)]


def _window(op: Op, kernel: Sequence[int] = ()) -> Window:
    _of_pictures(op)
    kernel = _pair(op.attribute("kernel_shape", kernel))
    stride = _pair(op.attribute("strides", _ONES))
    dilation = _pair(op.attribute("dilations", _ONES))
    pads = op.attribute("pads", (*_NONE, *_NONE))
    auto = op.attribute("auto_pad", "NOTSET")
    before, after = _pair(pads[:2]), _pair(pads[2:])
    if auto == "VALID":
        before = after = _NONE
    elif auto in ("SAME_UPPER", "SAME_LOWER"):
        before, after = _same(op.shape()[2:], kernel, stride, dilation)
        if auto == "SAME_LOWER":
            before, after = after, before
    elif auto != "NOTSET":
        raise op.refused(f"its auto_pad {auto!r} is unknown")
    return Window(kernel, stride, dilation, before, after)


def _same(sides: Sequence[int], kernel: Pair, stride: Pair, dilation: Pair) -> tuple[Pair, Pair]:
    """Pads for ceil(side / stride) outputs; an odd one goes to the end."""
    pads = [
        max(0, (-(-side // s) - 1) * s + (k - 1) * d + 1 - side)
        for side, k, s, d in zip(sides, kernel, stride, dilation, strict=True)
    ]
    return _pair([pad // 2 for pad in pads]), _pair([pad - pad // 2 for pad in pads])


def _padded_apart(window: Window) -> bool:
    """PyTorch's pools pad both ends alike, and by half the kernel at most."""
    wide = any(2 * pad > k for pad, k in zip(window.before, window.kernel, strict=True))
    return wide or not window.even


def _refuse_ceil(op: Op, ceil: bool) -> None:
    # Windows that begin in a pad count for nothing there, and cannot be told from others here.
    if ceil:
        raise op.refused("ceil_mode together with such pads")


def _of_pictures(op: Op) -> None:
    if len(op.shape()) != 4:
        raise op.refused(f"its input has {len(op.shape())} dimensions, not 4")


def _pair(values: Sequence[int]) -> Pair:
    height, width = values
    return int(height), int(width)
