"""Conv, linear and BatchNorm."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.runtimes.base import Array
from lpnet_agent.runtimes.graph import Node
from lpnet_agent.runtimes.litert.activations import fused
from lpnet_agent.runtimes.litert.lowering import TO_LAST, Code, Lowering, laid, unsupported
from lpnet_agent.runtimes.litert.windows import padded, window

_GROUPED, _DILATED_DEPTHWISE = 6, 2  # versions of their ops


def conv(lowering: Lowering, node: Node) -> None:
    """CONV_2D, or DEPTHWISE_CONV_2D where every group has one input channel."""
    channels = lowering.image(node)[1]
    weight = lowering.parameter(node, 1)
    groups = int(node.attributes.get("group", 1))
    if weight.ndim != 4 or weight.shape[1] * groups != channels:
        raise unsupported(node, f"weight {weight.shape} does not fit {channels} channels")
    area = window(lowering, node, weight.shape[2:])
    weight, bias, name = _folded(lowering, node, weight, _bias(lowering, node, len(weight)))
    activation, name = fused(lowering, name)
    source, padding = padded(lowering, node, area)
    if groups > 1 and groups == channels:
        # Depthwise weights are (1, height, width, channels).
        code, weight = Code.DEPTHWISE_CONV_2D, weight.transpose(1, 2, 3, 0)
        options = schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = weight.shape[3] // channels
        version = _DILATED_DEPTHWISE if (area.h.dilation, area.w.dilation) != (1, 1) else 1
    else:
        code, weight = Code.CONV_2D, weight.transpose(TO_LAST)
        options = schema.Conv2DOptionsT()
        version = _GROUPED if groups > 1 else 1
    options.padding = padding
    options.fusedActivationFunction = activation
    options.strideH, options.strideW = area.h.stride, area.w.stride
    options.dilationHFactor, options.dilationWFactor = area.h.dilation, area.w.dilation
    inputs = [
        source,
        lowering.constant(f"{name}/weight", weight),
        lowering.constant(f"{name}/bias", bias),
    ]
    lowering.emit(node, name, code, inputs, options, version)


def linear(lowering: Lowering, node: Node) -> None:
    """FULLY_CONNECTED, with the order of a flatten before it in its weights."""
    if node.attributes.get("transA", 0):
        raise unsupported(node, "its input is transposed")
    weight = lowering.parameter(node, 1)
    if not node.attributes.get("transB", 0):
        weight = weight.T
    alpha, beta = (np.float32(node.attributes.get(name, 1.0)) for name in ("alpha", "beta"))
    bias = _bias(lowering, node, len(weight)) * beta
    weight = weight * alpha if alpha != 1 else weight
    image = lowering.flattened(node.inputs[0])
    if image is not None:
        weight = weight.reshape(-1, *image).transpose(TO_LAST).reshape(len(weight), -1)
    weight, bias, name = _folded(lowering, node, weight, bias)
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction, name = fused(lowering, name)
    inputs = [
        lowering.source(node),
        lowering.constant(f"{name}/weight", weight),
        lowering.constant(f"{name}/bias", bias),
    ]
    lowering.emit(node, name, Code.FULLY_CONNECTED, inputs, options)


def batch_norm(lowering: Lowering, node: Node) -> None:
    """MUL and ADD, where no conv or linear before it takes it into its weights."""
    scale, shift = _affine(lowering, node)
    shape = lowering.shape(node, node.inputs[0])
    name = node.outputs[0]
    scaled = lowering.step(
        f"{name}/scaled",
        laid(shape),
        Code.MUL,
        [lowering.source(node), lowering.constant(f"{name}/scale", scale)],
        schema.MulOptionsT(),
    )
    options = schema.AddOptionsT()
    options.fusedActivationFunction, name = fused(lowering, name)
    shifted = [scaled, lowering.constant(f"{name}/shift", shift)]
    lowering.emit(node, name, Code.ADD, shifted, options)


def _bias(lowering: Lowering, node: Node, count: int) -> Array:
    if node.optional(2) is None:
        return np.zeros(count, dtype=np.float32)
    given = lowering.parameter(node, 2)
    if given.size not in (1, count) or given.shape[:-1] not in ((), (1,)):
        raise unsupported(node, f"bias {given.shape} does not fit {count} channels")
    return np.broadcast_to(given.reshape(-1), (count,))


def _folded(
    lowering: Lowering, node: Node, weight: Array, bias: Array
) -> tuple[Array, Array, str]:
    """Weights with the BatchNorm in them that alone reads what they make, and the name of what
    leaves it."""
    name = node.outputs[0]
    norm = lowering.only_reader(name)
    if norm is None or norm.op != "BatchNormalization":
        return weight, bias, name
    scale, shift = _affine(lowering, norm)
    lowering.take(norm)
    weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    return weight, bias * scale + shift, norm.outputs[0]


def _affine(lowering: Lowering, node: Node) -> tuple[Array, Array]:
    """What a BatchNorm multiplies each channel by, and then adds."""
    if node.attributes.get("training_mode", 0):
        raise unsupported(node, "it normalises by the statistics of the batch")
    gain, bias, mean, variance = (
        lowering.parameter(node, place).astype(np.float64) for place in (1, 2, 3, 4)
    )
    scale = gain / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    return scale.astype(np.float32), (bias - mean * scale).astype(np.float32)
