"""Conv, linear and BatchNorm."""

from __future__ import annotations

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.runtimes.base import Array
from lpnet_agent.runtimes.graph import OnnxNode
from lpnet_agent.runtimes.litert.activations import fuse_activation
from lpnet_agent.runtimes.litert.lowering import TO_NHWC, Code, Lowering, to_nhwc, unsupported
from lpnet_agent.runtimes.litert.windows import image_window, padded_input

# Versions of ops.
_GROUPED, _DILATED_DEPTHWISE = 6, 2


def conv(lowering: Lowering, node: OnnxNode) -> None:
    """CONV_2D, or DEPTHWISE_CONV_2D if every group has one input channel."""
    channels = lowering.image_shape(node)[1]
    weight = lowering.parameter(node, 1)
    groups = int(node.attributes.get("group", 1))
    if weight.ndim != 4 or weight.shape[1] * groups != channels:
        raise unsupported(node, f"its weight {weight.shape} does not fit {channels} channels")
    window = image_window(lowering, node, weight.shape[2:])
    weight, bias, name = _fold_norm(lowering, node, weight, _bias(lowering, node, len(weight)))
    activation, name = fuse_activation(lowering, name)
    source, padding = padded_input(lowering, node, window)
    if groups > 1 and groups == channels:
        # Depthwise weights are (1, height, width, channels).
        code, weight = Code.DEPTHWISE_CONV_2D, weight.transpose(1, 2, 3, 0)
        options = schema.DepthwiseConv2DOptionsT()
        options.depthMultiplier = weight.shape[3] // channels
        version = _DILATED_DEPTHWISE if (window.h.dilation, window.w.dilation) != (1, 1) else 1
    else:
        code, weight = Code.CONV_2D, weight.transpose(TO_NHWC)
        options = schema.Conv2DOptionsT()
        version = _GROUPED if groups > 1 else 1
    options.padding = padding
    options.fusedActivationFunction = activation
    options.strideH, options.strideW = window.h.stride, window.w.stride
    options.dilationHFactor, options.dilationWFactor = window.h.dilation, window.w.dilation
    inputs = [
        source,
        lowering.constant(f"{name}/weight", weight),
        lowering.constant(f"{name}/bias", bias),
    ]
    lowering.emit(node, name, code, inputs, options, version)


def linear(lowering: Lowering, node: OnnxNode) -> None:
    if node.attributes.get("transA", 0):
        raise unsupported(node, "its input is transposed")
    weight = lowering.parameter(node, 1)
    if not node.attributes.get("transB", 0):
        weight = weight.T
    alpha, beta = (np.float32(node.attributes.get(name, 1.0)) for name in ("alpha", "beta"))
    bias = _bias(lowering, node, len(weight)) * beta
    weight = weight * alpha if alpha != 1 else weight
    image = lowering.flattened_shape(node.inputs[0])
    if image is not None:
        weight = weight.reshape(-1, *image).transpose(TO_NHWC).reshape(len(weight), -1)
    weight, bias, name = _fold_norm(lowering, node, weight, bias)
    options = schema.FullyConnectedOptionsT()
    options.fusedActivationFunction, name = fuse_activation(lowering, name)
    inputs = [
        lowering.input_tensor(node),
        lowering.constant(f"{name}/weight", weight),
        lowering.constant(f"{name}/bias", bias),
    ]
    lowering.emit(node, name, Code.FULLY_CONNECTED, inputs, options)


def batch_norm(lowering: Lowering, node: OnnxNode) -> None:
    """MUL and ADD, if it cannot be folded into a conv or linear before it."""
    scale, shift = _affine(lowering, node)
    shape = lowering.shape(node, node.inputs[0])
    name = node.outputs[0]
    scaled = lowering.add_op(
        f"{name}/scaled",
        to_nhwc(shape),
        Code.MUL,
        [lowering.input_tensor(node), lowering.constant(f"{name}/scale", scale)],
        schema.MulOptionsT(),
    )
    options = schema.AddOptionsT()
    options.fusedActivationFunction, name = fuse_activation(lowering, name)
    shifted = [scaled, lowering.constant(f"{name}/shift", shift)]
    lowering.emit(node, name, Code.ADD, shifted, options)


def _bias(lowering: Lowering, node: OnnxNode, count: int) -> Array:
    if node.optional_input(2) is None:
        return np.zeros(count, dtype=np.float32)
    bias = lowering.parameter(node, 2)
    if bias.size not in (1, count) or bias.shape[:-1] not in ((), (1,)):
        raise unsupported(node, f"its bias {bias.shape} does not fit {count} channels")
    return np.broadcast_to(bias.reshape(-1), (count,))


def _fold_norm(
    lowering: Lowering, node: OnnxNode, weight: Array, bias: Array
) -> tuple[Array, Array, str]:
    """Weight and bias that include the BatchNorm after them if nothing else reads their output;
    and the name of the resulting tensor."""
    name = node.outputs[0]
    norm = lowering.only_reader(name)
    if norm is None or norm.op != "BatchNormalization":
        return weight, bias, name
    scale, shift = _affine(lowering, norm)
    lowering.mark_fused(norm)
    weight = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    return weight, bias * scale + shift, norm.outputs[0]


def _affine(lowering: Lowering, node: OnnxNode) -> tuple[Array, Array]:
    if node.attributes.get("training_mode", 0):
        raise unsupported(node, "it uses the statistics of the batch")
    gain, bias, mean, variance = (
        lowering.parameter(node, index).astype(np.float64) for index in (1, 2, 3, 4)
    )
    scale = gain / np.sqrt(variance + node.attributes.get("epsilon", 1e-5))
    return scale.astype(np.float32), (bias - mean * scale).astype(np.float32)
