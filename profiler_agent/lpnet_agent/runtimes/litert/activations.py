"""Activations: separate ops, or fused into the op before."""

from __future__ import annotations

from math import inf

from ai_edge_litert import schema_py_generated as schema

from lpnet_agent.runtimes.graph import OnnxNode
from lpnet_agent.runtimes.litert.lowering import Code, Lowering, to_nhwc

_Activation = schema.ActivationFunctionType
_FUSED = {
    (0.0, inf): _Activation.RELU,
    (0.0, 6.0): _Activation.RELU6,
    (-1.0, 1.0): _Activation.RELU_N1_TO_1,
}
_CLAMPS = {
    (0.0, inf): Code.RELU,
    (0.0, 6.0): Code.RELU6,
    (-1.0, 1.0): Code.RELU_N1_TO_1,
    (0.0, 1.0): Code.RELU_0_TO_1,
}
_PLAIN = {"Sigmoid": Code.LOGISTIC, "Tanh": Code.TANH, "HardSwish": Code.HARD_SWISH}
# A slope this close to 1/6 is a rounded 1/6.
_SLOPE_TOLERANCE = 1e-5


def fuse_activation(lowering: Lowering, name: str) -> tuple[int, str]:
    """The activation that the op of a tensor can apply itself, and the name of the resulting
    tensor.

    That is possible if nothing else reads the tensor. Otherwise NONE and the same name.
    """
    reader = lowering.only_reader(name)
    if reader is not None and reader.op in ("Relu", "Clip"):
        activation = _FUSED.get(bounds(lowering, reader))
        if activation is not None:
            lowering.mark_fused(reader)
            return activation, reader.outputs[0]
    return _Activation.NONE, name


def bounds(lowering: Lowering, node: OnnxNode) -> tuple[float, float]:
    if node.op == "Relu":
        return 0.0, inf
    limits = []
    for index, (name, default) in enumerate((("min", -inf), ("max", inf)), start=1):
        if node.optional_input(index) is None:
            limits.append(float(node.attributes.get(name, default)))
        else:
            limits.append(lowering.parameter(node, index).item())
    return limits[0], limits[1]


def clamp(lowering: Lowering, node: OnnxNode) -> None:
    low, high = bounds(lowering, node)
    name = node.outputs[0]
    tensor = lowering.input_tensor(node)
    if (low, high) in _CLAMPS:
        lowering.emit(node, name, _CLAMPS[low, high], [tensor])
        return
    options = schema.MaximumMinimumOptionsT()
    if low > -inf:
        inputs = [tensor, lowering.scalar(f"{name}/low", low)]
        if high == inf:
            lowering.emit(node, name, Code.MAXIMUM, inputs, options)
            return
        tensor = lowering.add_op(
            f"{name}/raised", _shape(lowering, node), Code.MAXIMUM, inputs, options
        )
    inputs = [tensor, lowering.scalar(f"{name}/high", high)]
    lowering.emit(node, name, Code.MINIMUM, inputs, options)


def plain(lowering: Lowering, node: OnnxNode) -> None:
    """Activations that are one op without parameters."""
    options = schema.HardSwishOptionsT() if node.op == "HardSwish" else None
    lowering.emit(node, node.outputs[0], _PLAIN[node.op], [lowering.input_tensor(node)], options)


def leaky_relu(lowering: Lowering, node: OnnxNode) -> None:
    options = schema.LeakyReluOptionsT()
    options.alpha = float(node.attributes.get("alpha", 0.01))
    lowering.emit(node, node.outputs[0], Code.LEAKY_RELU, [lowering.input_tensor(node)], options)


def gelu(lowering: Lowering, node: OnnxNode) -> None:
    options = schema.GeluOptionsT()
    options.approximate = node.attributes.get("approximate", "none") == "tanh"
    lowering.emit(node, node.outputs[0], Code.GELU, [lowering.input_tensor(node)], options)


def elu(lowering: Lowering, node: OnnxNode) -> None:
    """ELU for alpha = 1, otherwise RELU(x) + alpha * ELU(MINIMUM(x, 0))."""
    alpha = float(node.attributes.get("alpha", 1.0))
    name, shape, source = node.outputs[0], _shape(lowering, node), lowering.input_tensor(node)
    if alpha == 1.0:
        lowering.emit(node, name, Code.ELU, [source])
        return
    zero = lowering.scalar(f"{name}/zero", 0.0)
    below = lowering.add_op(
        f"{name}/below", shape, Code.MINIMUM, [source, zero], schema.MaximumMinimumOptionsT()
    )
    bent = lowering.add_op(f"{name}/bent", shape, Code.ELU, [below])
    scale = lowering.scalar(f"{name}/alpha", alpha)
    scaled = lowering.add_op(
        f"{name}/scaled", shape, Code.MUL, [bent, scale], schema.MulOptionsT()
    )
    above = lowering.add_op(f"{name}/above", shape, Code.RELU, [source])
    lowering.emit(node, name, Code.ADD, [above, scaled], schema.AddOptionsT())


def hard_sigmoid(lowering: Lowering, node: OnnxNode) -> None:
    """RELU6(6 alpha x + 6 beta) / 6, as converters write it for a slope of 1/6."""
    alpha = 6 * float(node.attributes.get("alpha", 0.2))
    beta = 6 * float(node.attributes.get("beta", 0.5))
    name, shape, tensor = node.outputs[0], _shape(lowering, node), lowering.input_tensor(node)
    if abs(alpha - 1) > _SLOPE_TOLERANCE:
        slope = lowering.scalar(f"{name}/slope", alpha)
        tensor = lowering.add_op(
            f"{name}/sloped", shape, Code.MUL, [tensor, slope], schema.MulOptionsT()
        )
    options = schema.AddOptionsT()
    options.fusedActivationFunction = _Activation.RELU6
    shift = lowering.scalar(f"{name}/shift", beta)
    bent = lowering.add_op(f"{name}/bent", shape, Code.ADD, [tensor, shift], options)
    sixth = lowering.scalar(f"{name}/sixth", 1 / 6)
    lowering.emit(node, name, Code.MUL, [bent, sixth], schema.MulOptionsT())


def _shape(lowering: Lowering, node: OnnxNode) -> tuple[int, ...]:
    return to_nhwc(lowering.shape(node, node.inputs[0]))
