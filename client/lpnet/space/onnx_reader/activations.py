"""Reading activations."""

from __future__ import annotations

from lpnet.space.graph import Attributes, Node
from lpnet.space.onnx_reader.builder import Builder, Value, unsupported
from lpnet.space.raw import RawNode

# ONNX op, function in lpnet, and the attributes of the op with their ONNX defaults.
PLAIN: dict[str, tuple[str, dict[str, float | str]]] = {
    "Relu": ("relu", {}),
    "Sigmoid": ("sigmoid", {}),
    "Tanh": ("tanh", {}),
    "HardSwish": ("hardswish", {}),
    "HardSigmoid": ("hardsigmoid", {"alpha": 0.2, "beta": 0.5}),
    "LeakyRelu": ("leaky_relu", {"alpha": 0.01}),
    "Elu": ("elu", {"alpha": 1.0}),
    "Gelu": ("gelu", {"approximate": "none"}),
}


def plain(builder: Builder, node: RawNode) -> None:
    value = builder.source(node)
    function, defaults = PLAIN[node.op]
    attributes = tuple((k, _rounded(node.attr(k, defaults[k]))) for k in sorted(defaults))
    _emit(builder, node, value, function, attributes)


def sigmoid(builder: Builder, node: RawNode) -> None:
    # A sigmoid that only multiplies its own input is part of a silu.
    builder.source(node)
    gate = node.outputs[0]
    reader = builder.only_reader(gate)
    if reader is not None and reader.op == "Mul" and {*reader.inputs} == {gate, node.inputs[0]}:
        builder.gates[gate] = node.inputs[0]
        return
    plain(builder, node)


def multiply(builder: Builder, node: RawNode) -> None:
    gate = next((name for name in node.inputs if name in builder.gates), None)
    if gate is None:
        raise unsupported(node, "only x * sigmoid(x) is supported")
    _emit(builder, node, builder.values[builder.gates[gate]], "silu")


def clip(builder: Builder, node: RawNode) -> None:
    value = builder.source(node)
    bounds: list[float | None] = []
    for position in (1, 2):
        name = node.inputs[position] if position < len(node.inputs) else ""
        bounds.append(builder.raw.scalar(name))
        if name and bounds[-1] is None:
            raise unsupported(node, f"its bound {name!r} is not a constant")
    _emit_clip(builder, node, value, bounds[0], bounds[1])


def maximum(builder: Builder, node: RawNode) -> None:
    bound = builder.raw.scalar(node.inputs[1]) if len(node.inputs) == 2 else None
    if bound is None:
        raise unsupported(node, "only a maximum with a constant is supported")
    _emit_clip(builder, node, builder.source(node), bound, None)


def _emit_clip(
    builder: Builder, node: RawNode, value: Value, low: float | None, high: float | None
) -> None:
    named = {(0.0, None): "relu", (0.0, 6.0): "relu6"}
    function = named.get((low, high), "clip") if low is not None else "clip"
    bounds = (("max", high), ("min", low)) if function == "clip" else ()
    attributes = tuple((name, bound) for name, bound in bounds if bound is not None)
    _emit(builder, node, value, function, attributes)


def _emit(
    builder: Builder, node: RawNode, value: Value, function: str, attributes: Attributes = ()
) -> None:
    ours = Node(node.path, "activation", (value.index,), function=function, attributes=attributes)
    builder.emit(node, ours, value.shape)


def _rounded(value: float | str | bytes) -> float | str:
    """A value that compares equal after it was stored as float32."""
    if isinstance(value, bytes):
        return value.decode()
    return value if isinstance(value, str) else round(float(value), 6)
