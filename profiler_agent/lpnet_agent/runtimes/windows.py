"""The window of a convolution or pool: its ONNX attributes, resolved for a concrete input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Pair = tuple[int, int]


@dataclass(frozen=True)
class Window:
    """Height before width in every pair. `before` and `after` are the pads in pixels at the start
    and end of an axis."""

    kernel: Pair
    stride: Pair
    dilation: Pair
    before: Pair
    after: Pair


def read_window(
    attribute: Callable[[str, Any], Any], sizes: Sequence[int], kernel: Sequence[int] = ()
) -> Window:
    """The window of a node. `attribute(name, default)` reads an attribute, `sizes` are height and
    width of the input, and `kernel` is used if there is no `kernel_shape`.

    Raises ValueError for an unknown `auto_pad`.
    """
    kernel_shape = _pair(attribute("kernel_shape", kernel))
    stride = _pair(attribute("strides", (1, 1)))
    dilation = _pair(attribute("dilations", (1, 1)))
    pads = attribute("pads", (0, 0, 0, 0))
    auto_pad = attribute("auto_pad", "NOTSET")
    before, after = _pair(pads[:2]), _pair(pads[2:])
    if auto_pad == "VALID":
        before = after = (0, 0)
    elif auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        before, after = _same_pads(sizes, kernel_shape, stride, dilation)
        if auto_pad == "SAME_LOWER":
            before, after = after, before
    elif auto_pad != "NOTSET":
        raise ValueError(f"its auto_pad {auto_pad!r} is unknown")
    return Window(kernel_shape, stride, dilation, before, after)


def _same_pads(
    sizes: Sequence[int], kernel: Pair, stride: Pair, dilation: Pair
) -> tuple[Pair, Pair]:
    """Pads for ceil(size / stride) positions, split evenly; an odd pixel goes to the end."""
    pads = [
        max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size)
        for size, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)
    ]
    return _pair([pad // 2 for pad in pads]), _pair([pad - pad // 2 for pad in pads])


def _pair(values: Sequence[int]) -> Pair:
    height, width = values
    return int(height), int(width)
