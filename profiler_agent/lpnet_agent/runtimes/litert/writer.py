"""Converts a network to a .tflite file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flatbuffers.builder import BuilderSizeError

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.graph import OnnxNode, read_network
from lpnet_agent.runtimes.litert import activations, layers, pools, resize, shapes
from lpnet_agent.runtimes.litert.lowering import Lowering, unsupported

_WRITERS: Mapping[str, Callable[[Lowering, OnnxNode], None]] = {
    "Conv": layers.conv,
    "Gemm": layers.linear,
    "BatchNormalization": layers.batch_norm,
    "Relu": activations.clamp,
    "Clip": activations.clamp,
    "Sigmoid": activations.plain,
    "Tanh": activations.plain,
    "HardSwish": activations.plain,
    "HardSigmoid": activations.hard_sigmoid,
    "LeakyRelu": activations.leaky_relu,
    "Elu": activations.elu,
    "Gelu": activations.gelu,
    "MaxPool": pools.max_pool,
    "AveragePool": pools.average_pool,
    "GlobalAveragePool": pools.global_average_pool,
    "ReduceMean": pools.mean,
    "Add": shapes.arithmetic,
    "Mul": shapes.arithmetic,
    "Concat": shapes.concat,
    "Flatten": shapes.flatten,
    "Reshape": shapes.flatten,
    "Slice": shapes.strided_slice,
    "Resize": resize.resize,
    "ConvTranspose": resize.conv_transpose,
    "Identity": shapes.identity,
}


def tflite(model: bytes) -> bytes:
    """A concrete float32 ONNX network as a .tflite file, with the same ops and fusions as the
    usual converters. The same network always gives the same bytes.

    Images are stored as (batch, height, width, channels), inputs and outputs included, as in
    deployed networks. Names of tensors and the order of inputs and outputs are those of the ONNX
    network. Raises RuntimeFailed, naming the op and node that are not supported.
    """
    network = read_network(model, "litert")
    lowering = Lowering(network)
    for node in network.nodes:
        if lowering.is_fused(node):
            continue
        writer = _WRITERS.get(node.op)
        if writer is None:
            raise unsupported(node, "this op cannot be converted to LiteRT")
        writer(lowering, node)
    try:
        return lowering.finish()
    except BuilderSizeError as error:
        raise RuntimeFailed(f"litert cannot load the network: {error}") from error
