"""Writing a network as a .tflite file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from flatbuffers.builder import BuilderSizeError

from lpnet_agent.errors import RuntimeFailed
from lpnet_agent.runtimes.graph import Node, read_network
from lpnet_agent.runtimes.litert import activations, layers, pools, shapes
from lpnet_agent.runtimes.litert.lowering import Lowering, unsupported

_WRITERS: Mapping[str, Callable[[Lowering, Node], None]] = {
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
    "Identity": shapes.identity,
}


def tflite(model: bytes) -> bytes:
    """A concrete ONNX network in float32 as a .tflite file, of the ops and fusions that the
    usual converters give. The same network gives the same bytes.

    Images lie as (batch, height, width, channels), the inputs and outputs of the network among
    them, as deployed networks have them; names of tensors and the order of inputs and outputs
    are those of the ONNX network. Raises RuntimeFailed, naming op and node, for what it cannot
    write.
    """
    network = read_network(model, "litert")
    lowering = Lowering(network)
    for node in network.nodes:
        if lowering.taken(node):
            continue
        writer = _WRITERS.get(node.op)
        if writer is None:
            raise unsupported(node, "it is not among the ops that can be written for LiteRT")
        writer(lowering, node)
    try:
        return lowering.finish()
    except BuilderSizeError as error:
        raise RuntimeFailed(f"litert cannot load the network: {error}") from error
