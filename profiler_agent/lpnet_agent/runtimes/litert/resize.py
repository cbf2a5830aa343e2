"""Resizing of images, and transposed convolution."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.runtimes.graph import OnnxNode
from lpnet_agent.runtimes.litert.lowering import Code, Lowering, to_nhwc, unsupported
from lpnet_agent.runtimes.resizing import nearest_offset

_DEFAULTS = {"antialias": 0, "exclude_outside": 0, "keep_aspect_ratio_policy": "stretch"}
# The version of a TRANSPOSE_CONV with a bias.
_WITH_BIAS = 3


def resize(lowering: Lowering, node: OnnxNode) -> None:
    """RESIZE_NEAREST_NEIGHBOR or RESIZE_BILINEAR."""
    before = lowering.image_shape(node)
    after = lowering.shape(node, node.outputs[0])
    if before[:2] != after[:2]:
        raise unsupported(node, "only height and width may change")
    for name, value in _DEFAULTS.items():
        if node.attributes.get(name, value) != value:
            raise unsupported(node, f"{name} must be {value!r}")
    scales = lowering.constant_input(node, 2)
    if scales is not None and scales.size and np.abs(scales * before - after).max() > 1e-4:
        raise unsupported(node, "its scales give no whole number of pixels")
    coordinates = node.attributes.get("coordinate_transformation_mode", "half_pixel")
    rounding = node.attributes.get("nearest_mode", "round_prefer_floor")
    mode = node.attributes.get("mode", "nearest")
    half = coordinates == "half_pixel" or (
        coordinates == "pytorch_half_pixel" and 1 not in after[2:]
    )
    if mode == "nearest":
        offset = nearest_offset(before[2:], after[2:], coordinates, rounding)
        code, options = Code.RESIZE_NEAREST_NEIGHBOR, schema.ResizeNearestNeighborOptionsT()
        supported, options.halfPixelCenters = offset is not None, bool(offset)
    else:
        code, options = Code.RESIZE_BILINEAR, schema.ResizeBilinearOptionsT()
        supported, options.halfPixelCenters = mode == "linear" and half, True
    if not supported:
        raise unsupported(node, f"LiteRT has no resize by {mode}, {coordinates} and {rounding}")
    name = node.outputs[0]
    size = lowering.constant(f"{name}/size", np.array(after[2:], np.int32))
    lowering.emit(node, name, code, [lowering.input_tensor(node), size], options)


def conv_transpose(lowering: Lowering, node: OnnxNode) -> None:
    """TRANSPOSE_CONV, without pads."""
    lowering.image_shape(node)
    weight = lowering.parameter(node, 1)
    attributes = node.attributes
    plain = (
        attributes.get("group", 1) == 1
        and set(attributes.get("dilations", (1,))) == {1}
        and set(attributes.get("pads", (0,))) == {0}
        and set(attributes.get("output_padding", (0,))) == {0}
        and "output_shape" not in attributes
        and attributes.get("auto_pad", "NOTSET") in ("NOTSET", "VALID")
    )
    if not plain:
        raise unsupported(node, "only one group without pads and dilation is supported")
    options = schema.TransposeConvOptionsT()
    options.padding = schema.Padding.VALID
    options.strideH, options.strideW = attributes.get("strides", (1, 1))
    name = node.outputs[0]
    shape = to_nhwc(lowering.shape(node, name))
    has_bias = node.optional_input(2) is not None
    inputs = [
        lowering.constant(f"{name}/shape", np.array(shape, np.int32)),
        lowering.constant(f"{name}/weight", weight.transpose(1, 2, 3, 0)),
        lowering.input_tensor(node),
    ]
    if has_bias:
        inputs.append(lowering.constant(f"{name}/bias", lowering.parameter(node, 2)))
    version = _WITH_BIAS if has_bias else 1
    lowering.emit(node, name, Code.TRANSPOSE_CONV, inputs, options, version)
