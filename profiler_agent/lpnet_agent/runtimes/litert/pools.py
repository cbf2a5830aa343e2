"""Pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.runtimes.graph import OnnxNode
from lpnet_agent.runtimes.litert.activations import fuse_activation
from lpnet_agent.runtimes.litert.lowering import Code, Lowering, to_nhwc, unsupported
from lpnet_agent.runtimes.litert.windows import (
    ImageWindow,
    explicitly_padded,
    image_window,
    padded_input,
)

_LOWEST = float(np.finfo(np.float32).min)


def max_pool(lowering: Lowering, node: OnnxNode) -> None:
    """MAX_POOL_2D; pads outside the image are the lowest float."""
    if len(node.outputs) > 1 and node.outputs[1]:
        raise unsupported(node, "the indices of the maxima are not supported")
    window = _window(lowering, node)
    activation, name = fuse_activation(lowering, node.outputs[0])
    source, padding = padded_input(lowering, node, window, _LOWEST)
    options = _options(window, padding, activation)
    lowering.emit(node, name, Code.MAX_POOL_2D, [source], options)


def average_pool(lowering: Lowering, node: OnnxNode) -> None:
    """AVERAGE_POOL_2D, which does not count its own padding. If ONNX counts pixels differently, it
    averages a padded image, and a MUL corrects for the number of pixels."""
    window = _window(lowering, node)
    include = bool(node.attributes.get("count_include_pad", 0))
    if window.valid or (window.same and not include):
        source, padding = padded_input(lowering, node, window)
        ratio = np.ones(())
    else:
        source, padding = explicitly_padded(lowering, node, window), schema.Padding.VALID
        pixels = np.outer(window.h.averaged_pixels(include), window.w.averaged_pixels(include))
        ratio = window.h.kernel * window.w.kernel / pixels
    if (ratio == 1).all():
        activation, name = fuse_activation(lowering, node.outputs[0])
        options = _options(window, padding, activation)
        lowering.emit(node, name, Code.AVERAGE_POOL_2D, [source], options)
        return
    name = node.outputs[0]
    averaged = lowering.add_op(
        f"{name}/averaged",
        to_nhwc(lowering.shape(node, name)),
        Code.AVERAGE_POOL_2D,
        [source],
        _options(window, padding, schema.ActivationFunctionType.NONE),
    )
    options = schema.MulOptionsT()
    options.fusedActivationFunction, name = fuse_activation(lowering, name)
    scale = ratio[None, :, :, None].astype(np.float32)
    inputs = [averaged, lowering.constant(f"{name}/ratio", scale)]
    lowering.emit(node, name, Code.MUL, inputs, options)


def global_average_pool(lowering: Lowering, node: OnnxNode) -> None:
    _mean(lowering, node, keep=True)


def mean(lowering: Lowering, node: OnnxNode) -> None:
    axes = node.attributes.get("axes")
    if axes is None and (axes_input := lowering.constant_input(node, 1)) is not None:
        axes = axes_input.reshape(-1).tolist()
    if axes is None or sorted(axis % 4 for axis in axes) != [2, 3]:
        raise unsupported(node, "only a mean over height and width is supported")
    _mean(lowering, node, keep=bool(node.attributes.get("keepdims", 1)))


def _mean(lowering: Lowering, node: OnnxNode, keep: bool) -> None:
    lowering.image_shape(node)
    options = schema.ReducerOptionsT()
    options.keepDims = keep
    name = node.outputs[0]
    axes = lowering.constant(f"{name}/axes", np.array([1, 2], dtype=np.int32))
    lowering.emit(node, name, Code.MEAN, [lowering.input_tensor(node), axes], options)


def _window(lowering: Lowering, node: OnnxNode) -> ImageWindow:
    window = image_window(lowering, node)
    if (window.h.dilation, window.w.dilation) != (1, 1):
        raise unsupported(node, "LiteRT has no pooling with dilation")
    if window.h.last_is_empty or window.w.last_is_empty:
        # ONNX infers such a position; its runtimes do not count it.
        raise unsupported(node, "with ceil_mode its last window is beyond the image")
    return window


def _options(window: ImageWindow, padding: int, activation: int) -> Any:
    options = schema.Pool2DOptionsT()
    options.padding = padding
    options.strideH, options.strideW = window.h.stride, window.w.stride
    options.filterHeight, options.filterWidth = window.h.kernel, window.w.kernel
    options.fusedActivationFunction = activation
    return options
