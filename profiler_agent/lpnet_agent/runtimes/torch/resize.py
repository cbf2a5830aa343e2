"""Resizing of images."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import fx
from torch.nn import functional

from lpnet_agent.runtimes.resizing import nearest_offset
from lpnet_agent.runtimes.torch.op import Op, Sides

_LINEAR = {3: "linear", 4: "bilinear", 5: "trilinear"}
_CUBIC_COEFFICIENT = -0.75
# Before this version positions were computed in one way only.
_FIRST_OPSET = 11


def _resize(op: Op) -> fx.Node:
    if op.opset < _FIRST_OPSET:
        raise op.unsupported(f"it is of opset {op.opset}")
    before, after = op.input_shape(), op.output_shape()
    if before[:2] != after[:2] or len(before) not in _LINEAR:
        raise op.unsupported(f"from {before} to {after}: only sides of images may change")
    _check_scales(op, before, after)
    for name, default in (("antialias", 0), ("keep_aspect_ratio_policy", "stretch")):
        op.refuse_unless(name, default)
    op.attribute("extrapolation_value", 0.0)  # of a crop, which is refused
    op.attribute("axes", None)  # the shapes hold them
    mode = op.attribute("mode", "nearest")
    coordinates = op.attribute("coordinate_transformation_mode", "half_pixel")
    rounding = op.attribute("nearest_mode", "round_prefer_floor")
    cubic = op.attribute("cubic_coeff_a", _CUBIC_COEFFICIENT), op.attribute("exclude_outside", 0)
    if mode == "nearest":
        return _call(op, mode=_nearest(op, before[2:], after[2:], coordinates, rounding))
    corners = coordinates == "align_corners"
    if not corners and (coordinates not in ("half_pixel", "pytorch_half_pixel") or 1 in after[2:]):
        raise op.unsupported(f"mode {mode} with {coordinates} is not supported")
    if mode == "linear":
        return _call(op, mode=_LINEAR[len(before)], align_corners=corners)
    if mode == "cubic" and len(before) == 4 and cubic == (_CUBIC_COEFFICIENT, 0):
        return _call(op, mode="bicubic", align_corners=corners)
    raise op.unsupported(f"mode {mode!r} is not supported")


def _call(op: Op, **options: Any) -> fx.Node:
    return op.call(functional.interpolate, op.tensor(), size=op.output_shape()[2:], **options)


def _check_scales(op: Op, before: Sides, after: Sides) -> None:
    """Raises RuntimeFailed for scales that are not those of the sizes, after rounding."""
    scales = op.optional_constant(2)
    if scales is None or scales.size != len(before):
        return
    for scale, small, large in zip(scales.reshape(-1).tolist(), before, after, strict=True):
        if abs(small * scale - large) > 1e-4:
            raise op.unsupported(f"{small} pixels times {scale} are no whole number")


def _nearest(op: Op, before: Sides, after: Sides, coordinates: str, rounding: str) -> str:
    """PyTorch's mode that takes the same pixels."""
    offset = nearest_offset(before, after, coordinates, rounding)
    if offset is None:
        raise op.unsupported(f"PyTorch has no resize by {coordinates} and {rounding}")
    return "nearest-exact" if offset else "nearest"


FUNCTIONS: dict[str, Callable[[Op], fx.Node]] = {"Resize": _resize}
