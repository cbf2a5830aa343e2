"""The window of a convolution or pool: its ONNX attributes, resolved for a concrete input."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Sides = tuple[int, ...]


@dataclass(frozen=True)
class Window:
    """A number per spatial axis, height before width. `before` and `after` are the pads in pixels
    at the start and end of an axis."""

    kernel: Sides
    stride: Sides
    dilation: Sides
    before: Sides
    after: Sides


def read_window(
    attribute: Callable[[str, Any], Any], sizes: Sequence[int], kernel: Sequence[int] = ()
) -> Window:
    """The window of a node. `attribute(name, default)` reads an attribute, `sizes` are the spatial
    sides of the input, and `kernel` is used if there is no `kernel_shape`.

    Raises ValueError for an unknown `auto_pad`, and for an attribute of another length.
    """
    count = len(sizes)
    kernel_shape = _sides(attribute("kernel_shape", kernel), count)
    stride = _sides(attribute("strides", (1,) * count), count)
    dilation = _sides(attribute("dilations", (1,) * count), count)
    pads = _sides(attribute("pads", (0,) * 2 * count), 2 * count)
    auto_pad = attribute("auto_pad", "NOTSET")
    before, after = pads[:count], pads[count:]
    if auto_pad == "VALID":
        before = after = (0,) * count
    elif auto_pad in ("SAME_UPPER", "SAME_LOWER"):
        before, after = _same_pads(sizes, kernel_shape, stride, dilation)
        if auto_pad == "SAME_LOWER":
            before, after = after, before
    elif auto_pad != "NOTSET":
        raise ValueError(f"its auto_pad {auto_pad!r} is unknown")
    return Window(kernel_shape, stride, dilation, before, after)


def _same_pads(
    sizes: Sequence[int], kernel: Sides, stride: Sides, dilation: Sides
) -> tuple[Sides, Sides]:
    """Pads for ceil(size / stride) positions, split evenly; an odd pixel goes to the end."""
    pads = [
        max(0, (-(-size // s) - 1) * s + (k - 1) * d + 1 - size)
        for size, k, s, d in zip(sizes, kernel, stride, dilation, strict=True)
    ]
    return tuple(pad // 2 for pad in pads), tuple(pad - pad // 2 for pad in pads)


def _sides(values: Sequence[int], count: int) -> Sides:
    if len(values) != count:
        raise ValueError(f"{[*values]} must be {count} numbers")
    return tuple(int(value) for value in values)
