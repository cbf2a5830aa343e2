"""Which pixels a resize of ONNX takes, and whether a runtime's own kernel takes the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from lpnet_agent.runtimes.base import Array

_ROUND: dict[str, Callable[[Array], Array]] = {
    "round_prefer_floor": lambda x: np.ceil(x - 0.5),
    "round_prefer_ceil": lambda x: np.floor(x + 0.5),
    "floor": np.floor,
    "ceil": np.ceil,
}


def nearest_offset(
    before: Sequence[int], after: Sequence[int], coordinates: str, rounding: str
) -> float | None:
    """The offset, 0 or 0.5, with which pixel floor((x + offset) * before / after) is that of ONNX
    on every axis. None if neither is."""
    for offset in (0.0, 0.5):
        if all(
            pixels is not None and np.array_equal(pixels, _simple_pixels(n, m, offset))
            for n, m in zip(before, after, strict=True)
            for pixels in (_pixels(n, m, coordinates, rounding),)
        ):
            return offset
    return None


def _pixels(before: int, after: int, coordinates: str, rounding: str) -> Array | None:
    """None for an unknown rule."""
    x = np.arange(after, dtype=np.float32)
    scale = np.float32(after / before)
    if coordinates in ("half_pixel", "half_pixel_symmetric"):
        x = (x + 0.5) / scale - 0.5
    elif coordinates == "pytorch_half_pixel":
        x = (x + 0.5) / scale - 0.5 if after > 1 else x * 0
    elif coordinates == "asymmetric":
        x = x / scale
    elif coordinates == "align_corners":
        x = x * np.float32((before - 1) / (after - 1)) if after > 1 else x * 0
    else:
        return None
    return _ROUND[rounding](x).clip(0, before - 1) if rounding in _ROUND else None


def _simple_pixels(before: int, after: int, offset: float) -> Array:
    x = np.arange(after, dtype=np.float32)
    pixels: Array = np.floor((x + np.float32(offset)) * np.float32(before / after))
    return pixels.clip(0, before - 1)
