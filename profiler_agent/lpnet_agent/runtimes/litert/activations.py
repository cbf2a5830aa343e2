"""Activations: ops of their own, or done by the op before."""

from __future__ import annotations

from math import inf

from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.runtimes.graph import Node
from lpnet_agent.runtimes.litert.lowering import Code, Lowering, laid

_Fused = schema.ActivationFunctionType
_FUSED = {(0.0, inf): _Fused.RELU, (0.0, 6.0): _Fused.RELU6, (-1.0, 1.0): _Fused.RELU_N1_TO_1}
_CLAMPS = {
    (0.0, inf): Code.RELU,
    (0.0, 6.0): Code.RELU6,
    (-1.0, 1.0): Code.RELU_N1_TO_1,
    (0.0, 1.0): Code.RELU_0_TO_1,
}
_PLAIN = {"Sigmoid": Code.LOGISTIC, "Tanh": Code.TANH, "HardSwish": Code.HARD_SWISH}
# Slopes of a hard sigmoid this near to 1/6 are 1/6, written with some digits.
_DIGITS = 1e-5


def fused(lowering: Lowering, name: str) -> tuple[int, str]:
    """The activation that alone reads a tensor, for the op that makes it to do, and the name of
    what leaves that; none, and the tensor itself, where there is nothing of the kind."""
    reader = lowering.only_reader(name)
    if reader is not None and reader.op in ("Relu", "Clip"):
        activation = _FUSED.get(bounds(lowering, reader))
        if activation is not None:
            lowering.take(reader)
            return activation, reader.outputs[0]
    return _Fused.NONE, name


def bounds(lowering: Lowering, node: Node) -> tuple[float, float]:
    """What a Relu or Clip keeps its input within."""
    if node.op == "Relu":
        return 0.0, inf
    found = []
    for place, (name, default) in enumerate((("min", -inf), ("max", inf)), start=1):
        if node.optional(place) is None:
            found.append(float(node.attributes.get(name, default)))
        else:
            found.append(lowering.parameter(node, place).item())
    return found[0], found[1]


def clamp(lowering: Lowering, node: Node) -> None:
    """Relu and Clip."""
    low, high = bounds(lowering, node)
    name = node.outputs[0]
    tensor = lowering.source(node)
    if (low, high) in _CLAMPS:
        lowering.emit(node, name, _CLAMPS[low, high], [tensor])
        return
    options = schema.MaximumMinimumOptionsT()
    if low > -inf:
        inputs = [tensor, lowering.scalar(f"{name}/low", low)]
        if high == inf:
            lowering.emit(node, name, Code.MAXIMUM, inputs, options)
            return
        tensor = lowering.step(
            f"{name}/raised", _shape(lowering, node), Code.MAXIMUM, inputs, options
        )
    inputs = [tensor, lowering.scalar(f"{name}/high", high)]
    lowering.emit(node, name, Code.MINIMUM, inputs, options)


def plain(lowering: Lowering, node: Node) -> None:
    """What is one op without options."""
    options = schema.HardSwishOptionsT() if node.op == "HardSwish" else None
    lowering.emit(node, node.outputs[0], _PLAIN[node.op], [lowering.source(node)], options)


def leaky_relu(lowering: Lowering, node: Node) -> None:
    options = schema.LeakyReluOptionsT()
    options.alpha = float(node.attributes.get("alpha", 0.01))
    lowering.emit(node, node.outputs[0], Code.LEAKY_RELU, [lowering.source(node)], options)


def gelu(lowering: Lowering, node: Node) -> None:
    options = schema.GeluOptionsT()
    options.approximate = node.attributes.get("approximate", "none") == "tanh"
    lowering.emit(node, node.outputs[0], Code.GELU, [lowering.source(node)], options)


def elu(lowering: Lowering, node: Node) -> None:
    """ELU where it falls to -1; RELU(x) + alpha * ELU(MINIMUM(x, 0)) where to another -alpha."""
    alpha = float(node.attributes.get("alpha", 1.0))
    name, shape, source = node.outputs[0], _shape(lowering, node), lowering.source(node)
    if alpha == 1.0:
        lowering.emit(node, name, Code.ELU, [source])
        return
    zero = lowering.scalar(f"{name}/zero", 0.0)
    below = lowering.step(
        f"{name}/below", shape, Code.MINIMUM, [source, zero], schema.MaximumMinimumOptionsT()
    )
    bent = lowering.step(f"{name}/bent", shape, Code.ELU, [below])
    scale = lowering.scalar(f"{name}/alpha", alpha)
    scaled = lowering.step(f"{name}/scaled", shape, Code.MUL, [bent, scale], schema.MulOptionsT())
    above = lowering.step(f"{name}/above", shape, Code.RELU, [source])
    lowering.emit(node, name, Code.ADD, [above, scaled], schema.AddOptionsT())


def hard_sigmoid(lowering: Lowering, node: Node) -> None:
    """RELU6(6 alpha x + 6 beta) / 6, as converters write it for the usual slope of 1/6."""
    alpha = 6 * float(node.attributes.get("alpha", 0.2))
    beta = 6 * float(node.attributes.get("beta", 0.5))
    name, shape, tensor = node.outputs[0], _shape(lowering, node), lowering.source(node)
    if abs(alpha - 1) > _DIGITS:
        slope = lowering.scalar(f"{name}/slope", alpha)
        tensor = lowering.step(
            f"{name}/sloped", shape, Code.MUL, [tensor, slope], schema.MulOptionsT()
        )
    options = schema.AddOptionsT()
    options.fusedActivationFunction = _Fused.RELU6
    shift = lowering.scalar(f"{name}/shift", beta)
    bent = lowering.step(f"{name}/bent", shape, Code.ADD, [tensor, shift], options)
    sixth = lowering.scalar(f"{name}/sixth", 1 / 6)
    lowering.emit(node, name, Code.MUL, [bent, sixth], schema.MulOptionsT())


def _shape(lowering: Lowering, node: Node) -> tuple[int, ...]:
    return laid(lowering.shape(node, node.inputs[0]))
