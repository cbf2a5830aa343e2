"""Pooling."""

from __future__ import annotations

from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.runtimes.graph import Node
from lpnet_agent.runtimes.litert.activations import fused
from lpnet_agent.runtimes.litert.lowering import Code, Lowering, laid, unsupported
from lpnet_agent.runtimes.litert.windows import Window, padded, surrounded, window

_LOWEST = float(np.finfo(np.float32).min)


def max_pool(lowering: Lowering, node: Node) -> None:
    """MAX_POOL_2D, over the lowest number where it reaches beyond the image."""
    if len(node.outputs) > 1 and node.outputs[1]:
        raise unsupported(node, "nothing gives the places of the largest")
    area = _window(lowering, node)
    activation, name = fused(lowering, node.outputs[0])
    source, padding = padded(lowering, node, area, _LOWEST)
    options = _options(area, padding, activation)
    lowering.emit(node, name, Code.MAX_POOL_2D, [source], options)


def average_pool(lowering: Lowering, node: Node) -> None:
    """AVERAGE_POOL_2D, which leaves out what it pads by itself; where ONNX counts pixels in
    another way, its average over a padded image times the ratio of the counts."""
    area = _window(lowering, node)
    include = bool(node.attributes.get("count_include_pad", 0))
    if area.valid or (area.same and not include):
        source, padding = padded(lowering, node, area)
        ratio = np.ones(())
    else:
        source, padding = surrounded(lowering, node, area), schema.Padding.VALID
        counted = np.outer(area.h.counted(include), area.w.counted(include))
        ratio = area.h.kernel * area.w.kernel / counted
    if (ratio == 1).all():
        activation, name = fused(lowering, node.outputs[0])
        options = _options(area, padding, activation)
        lowering.emit(node, name, Code.AVERAGE_POOL_2D, [source], options)
        return
    name = node.outputs[0]
    averaged = lowering.step(
        f"{name}/averaged",
        laid(lowering.shape(node, name)),
        Code.AVERAGE_POOL_2D,
        [source],
        _options(area, padding, schema.ActivationFunctionType.NONE),
    )
    options = schema.MulOptionsT()
    options.fusedActivationFunction, name = fused(lowering, name)
    scale = ratio[None, :, :, None].astype(np.float32)
    inputs = [averaged, lowering.constant(f"{name}/ratio", scale)]
    lowering.emit(node, name, Code.MUL, inputs, options)


def global_average_pool(lowering: Lowering, node: Node) -> None:
    """MEAN over height and width."""
    _mean(lowering, node, keep=True)


def mean(lowering: Lowering, node: Node) -> None:
    """MEAN, over height and width alone."""
    axes = node.attributes.get("axes")
    if axes is None and (given := lowering.value(node, 1)) is not None:
        axes = given.reshape(-1).tolist()
    if axes is None or sorted(axis % 4 for axis in axes) != [2, 3]:
        raise unsupported(node, "only a mean over height and width")
    _mean(lowering, node, keep=bool(node.attributes.get("keepdims", 1)))


def _mean(lowering: Lowering, node: Node, keep: bool) -> None:
    lowering.image(node)
    options = schema.ReducerOptionsT()
    options.keepDims = keep
    name = node.outputs[0]
    axes = lowering.constant(f"{name}/axes", np.array([1, 2], dtype=np.int32))
    lowering.emit(node, name, Code.MEAN, [lowering.source(node), axes], options)


def _window(lowering: Lowering, node: Node) -> Window:
    area = window(lowering, node, tuple(node.attributes["kernel_shape"]))
    if (area.h.dilation, area.w.dilation) != (1, 1):
        raise unsupported(node, "LiteRT has no pooling with dilation")
    if area.h.empty or area.w.empty:
        # As ONNX infers its shape; runtimes of ONNX do not count such a position.
        raise unsupported(node, "by ceil_mode its last window lies beyond the image")
    return area


def _options(area: Window, padding: int, activation: int) -> Any:
    options = schema.Pool2DOptionsT()
    options.padding = padding
    options.strideH, options.strideW = area.h.stride, area.w.stride
    options.filterHeight, options.filterWidth = area.h.kernel, area.w.kernel
    options.fusedActivationFunction = activation
    return options
