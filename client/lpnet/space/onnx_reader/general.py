"""Reading an op that is no plain one on images: it is written again as it was read."""

from __future__ import annotations

from math import prod
from typing import Any

from lpnet.space.einsum import terms
from lpnet.space.graph import Node
from lpnet.space.onnx_reader.activations import PLAIN
from lpnet.space.onnx_reader.batching import RECURRENT
from lpnet.space.onnx_reader.builder import Builder
from lpnet.space.onnx_reader.draft import Draft
from lpnet.space.onnx_reader.operands import STATES, Operands, attributes, bounds
from lpnet.space.onnx_reader.tensors import TensorAxes
from lpnet.space.raw import RawNode
from lpnet.space.slots import ConstantSlot, CountAttribute, Slot, WeightSlot
from lpnet.space.solver.rules.movement import slices, split_sides
from lpnet.space.solver.rules.pointwise import OPS

_RESHAPES = frozenset({"Reshape", "Flatten", "Squeeze", "Unsqueeze"})
_MOVES = (
    *("Transpose", "Gather", "GatherElements", "GatherND", "Pad", "Tile", "Expand", "Slice"),
    *("DepthToSpace", "SpaceToDepth", "ScatterND", "ScatterElements"),
)
_TYPES = {
    "Conv": "conv2d",
    "ConvTranspose": "conv_transpose2d",
    "BatchNormalization": "batch_norm",
    "Concat": "concat",
    "Resize": "resize",
    **dict.fromkeys(("Softmax", "LogSoftmax"), "softmax"),
    **dict.fromkeys(("Add", "Sub", "Sum", "Mean"), "add"),
    **dict.fromkeys(("Mul", "Div"), "mul"),
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool"), "pool"),
    **dict.fromkeys(_MOVES, "move"),
}
_NORMS = {
    "LayerNormalization": "layer",
    "GroupNormalization": "group",
    "InstanceNormalization": "instance",
    "RMSNormalization": "rms",
}
_POOL_MODES = {"MaxPool": "max", "AveragePool": "avg", "GlobalAveragePool": "global"}


def general(builder: Builder, axes: TensorAxes, node: RawNode) -> None:
    """Add any op. Raises UnsupportedOp for one that holds a graph."""
    operands = Operands(builder, axes, node)
    if node.op in ("Identity", "Dropout"):
        operands.tensor(node.inputs[0])
        builder.rename(node, builder.values[node.inputs[0]], 0)
    elif node.op in _RESHAPES:
        draft = operands.draft("move", function="reshape", op="Reshape")
        source = operands.slot(draft, 0)
        operands.add(draft.finish([source, axes.count_slot(node.outputs[0])]))
    elif node.op == "Split":
        _split(operands)
    elif node.op == "Slice":
        _slice(operands)
    elif node.op in ("MatMul", "Gemm") or (node.op == "Add" and _follows_product(operands)):
        _product(operands)
    else:
        _passed(operands)


def _passed(operands: Operands) -> None:
    node, axes = operands.node, operands.axes
    type_, function = _classify(operands)
    draft = operands.draft(type_, function=function, module=_module(operands, type_))
    slots = operands.slots(draft)
    plain, fields = dict(attributes(node)), dict[str, Any]()
    if type_ in ("conv2d", "conv_transpose2d"):
        fields = _window(operands)
        channels = axes.dims(node.outputs[0])[1]
        fields |= {"groups": int(node.attr("group", 1)), "c_out": channels.dense}
        if operands.is_depthwise():
            plain.pop("group", None)
            fields["counts"] = (CountAttribute("group", axes.dims(node.inputs[0])[1]),)
    elif type_ == "pool":
        fields = {"mode": _POOL_MODES[node.op]}
        fields |= {} if fields["mode"] == "global" else _window(operands)
    elif node.op == "GroupNormalization":
        channels = axes.dims(node.outputs[0])[1]
        groups = channels.divide(channels.dense // int(node.attr("num_groups", 1)))
        plain.pop("num_groups")
        fields["counts"] = (CountAttribute("num_groups", groups),)
    elif node.op == "Expand":
        slots[1] = axes.count_slot(node.outputs[0])
    elif node.op == "Resize" and len(slots) > 3 and slots[3] is not None:
        slots[3] = axes.count_slot(node.outputs[0])
    elif node.op == "Concat":
        batch = axes.batch(node.outputs[0])
        slots = [_repeated(operands, draft, i, slot, batch) for i, slot in enumerate(slots)]
    elif node.op in ("GatherElements", "ScatterElements"):
        slots = [operands.full(draft, i, slot) for i, slot in enumerate(slots)]
    elif node.op == "Einsum" and any(isinstance(slot, ConstantSlot) for slot in slots):
        draft.type = "matmul"
    elif node.op == "Einsum" and type_ == "linear":
        fields = {"c_out": axes.dims(node.outputs[0])[-1].dense}
    elif node.op in RECURRENT:
        slots = [
            _repeated(operands, draft, i, slot, 1) if i in STATES else slot
            for i, slot in enumerate(slots)
        ]
    operands.add(draft.finish(slots, attributes=tuple(sorted(plain.items())), **fields))
    _further_outputs(operands)


def _classify(operands: Operands) -> tuple[str, str]:
    node = operands.node
    tensors = [name for name in node.inputs if name and not operands.axes.is_static(name)]
    if node.domain not in ("", "ai.onnx"):
        return "opaque", node.op
    if node.op in _NORMS:
        return "norm", _NORMS[node.op]
    if node.op.startswith(("Reduce", "Arg")) or node.op == "GlobalMaxPool":
        return "reduce", _snake(node.op.removeprefix("Reduce"))
    if node.op == "Einsum" and len(node.inputs) == 2 and terms(node.attr("equation", "")):
        return ("matmul" if len(tensors) == 2 else "linear"), ""
    type_ = _TYPES.get(node.op)
    if type_ is not None:
        return type_, _snake(node.op) if type_ == "move" else ""
    if node.op in OPS and len(tensors) == 1:
        return "activation", PLAIN[node.op][0] if node.op in PLAIN else _snake(node.op)
    return "opaque", node.op


def _snake(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")


def _module(operands: Operands, type_: str) -> str:
    if type_ in ("conv2d", "conv_transpose2d", "batch_norm"):
        return operands.layer(operands.node.inputs[1])
    return ""


def _split(operands: Operands) -> None:
    node, axes = operands.node, operands.axes
    axis = int(node.attr("axis", 0)) % len(axes.dims(node.inputs[0]))
    start = 0
    for name, side in zip(node.outputs, split_sides(operands.raw, node, axis), strict=True):
        if operands.builder.is_used(name):
            draft = operands.draft("split", op="Slice")
            source = operands.slot(draft, 0)
            cut = [(axis, start, start + side, 1)]
            operands.add(draft.finish([source, *bounds(axes, node.inputs[0], cut)]), name)
        start += side


def _slice(operands: Operands) -> None:
    node, axes = operands.node, operands.axes
    shape = operands.raw.shape(node.inputs[0])
    cuts = []
    for axis, cut in (slices(operands.raw, node, shape) or {}).items():
        cuts.append((axis, *cut.indices(shape[axis])))
    channels = any(axes.dims(node.inputs[0])[axis].widths for axis, *_ in cuts)
    draft = operands.draft("split" if channels else "move", function="" if channels else "slice")
    if cuts:
        source = operands.slot(draft, 0)
        operands.add(draft.finish([source, *bounds(axes, node.inputs[0], cuts)]))
    else:
        operands.add(draft.finish(operands.slots(draft), attributes=attributes(node)))


def _product(operands: Operands) -> None:
    node, axes = operands.node, operands.axes
    if node.op == "Add":
        _add_bias(operands)
        return
    weights = [axes.is_static(name) for name in node.inputs[:2]]
    if _is_matmul(operands, weights):
        draft = operands.draft("matmul")
        operands.add(draft.finish(operands.slots(draft)))
    elif weights == [False, True] and len(operands.raw.shape(node.inputs[1])) == 2:
        draft = operands.draft("linear", module=operands.layer(node.inputs[1]), op="MatMul")
        operands.add(_linear(operands, draft))
    else:
        draft = operands.draft("opaque", function=node.op)
        operands.add(draft.finish(operands.slots(draft), attributes=attributes(node)))


def _is_matmul(operands: Operands, weights: list[bool]) -> bool:
    """True for a product of tensors, or with a weight that is first or no matrix."""
    node, axes = operands.node, operands.axes
    if node.op != "MatMul" or all(weights):
        return False
    if not any(weights):
        return True
    shapes = [operands.raw.shape(name) for name in node.inputs[:2]]
    if min(map(len, shapes)) < 2 or (weights[1] and len(shapes[1]) == 2):
        return False
    # The channels that are summed over must be affine in the widths, with the heads.
    tensor = axes.dims(node.inputs[weights.index(False)])
    summed = tensor[-1] if weights[1] else tensor[-2]
    heads = any(axis.widths for axis in axes.dims(node.outputs[0])[:-2])
    return not (heads and summed.widths)


def _linear(operands: Operands, draft: Draft) -> Node:
    """A product with a weight (c_in, c_out), then its bias."""
    node, slots = operands.node, operands.slots(draft)
    scaled = (node.attr("alpha", 1.0), node.attr("beta", 1.0)) != (1.0, 1.0)
    if node.attr("transA", 0) or scaled:
        draft.op, draft.type, draft.function = "Gemm", "opaque", "Gemm"
        return draft.finish(slots, attributes=attributes(node))
    weight = slots[1]
    if isinstance(weight, WeightSlot) and node.attr("transB", 0):
        slots[1] = WeightSlot(weight.role, weight.dims[::-1], value=weight.value)
    if not isinstance(slots[1], WeightSlot):
        if node.op == "MatMul":
            draft.type, draft.function = "matmul", ""
        else:
            draft.type, draft.function = "opaque", node.op
        draft.op = node.op
        return draft.finish(slots, attributes=attributes(node))
    c_out = operands.axes.dims(node.outputs[0])[-1].dense
    return draft.finish(slots, c_out=c_out)


def _follows_product(operands: Operands) -> bool:
    """True for the bias of a linear layer that only this node reads."""
    node, builder = operands.node, operands.builder
    if len(node.inputs) != 2:
        return False
    static = [operands.axes.is_static(name) for name in node.inputs]
    if sum(static) != 1:
        return False
    source, bias = node.inputs[static.index(False)], node.inputs[static.index(True)]
    value = builder.values.get(source)
    if value is None or value.index < 0 or value.view is not None or value.shared:
        return False
    before = builder.nodes[value.index]
    shape = operands.raw.shape(bias)
    per_channel = bool(shape) and shape[-1] == value.shape[-1] == prod(shape)
    plain = before.type == "linear" and before.op == "MatMul" and len(before.slots) == 2
    return plain and per_channel and builder.only_reader(source) is node


def _add_bias(operands: Operands) -> None:
    node, builder = operands.node, operands.builder
    source = node.inputs[[operands.axes.is_static(name) for name in node.inputs].index(False)]
    bias = next(name for name in node.inputs if name != source)
    value = builder.values[source]
    slot = WeightSlot("bias", operands.axes.dims(bias)[-1:], value=0.0)
    builder.extend(value.index, slot)
    builder.values[node.outputs[0]] = value


def _repeated(
    operands: Operands, draft: Draft, position: int, slot: Slot, batch: int | None
) -> Slot:
    """A weight beside tensors, as in a concat, is repeated for each input of the batch."""
    if isinstance(slot, int) or slot is None or batch is None:
        return slot
    return operands.expanded(draft, operands.node.inputs[position], slot, batch)


def _further_outputs(operands: Operands) -> None:
    base = len(operands.builder.nodes) - 1
    for index, name in enumerate(operands.node.outputs[1:], 1):
        if name and operands.builder.is_used(name):
            draft = operands.draft("move", function="part", op="part")
            slot = draft.reference(base)
            operands.add(draft.finish([slot], attributes=(("output", index),)), name)


def _window(operands: Operands) -> dict[str, Any]:
    """Kernel and stride; further spatial axes count as height."""
    node = operands.node
    sides = node.attr("kernel_shape", None) or operands.raw.shape(node.inputs[1])[2:]
    ones = (1,) * len(sides)
    return {
        "kernel": _two(sides),
        "stride": _two(node.attr("strides", None) or ones),
        "dilation": _two(node.attr("dilations", None) or ones),
    }


def _two(sides: Any) -> tuple[int, int]:
    values = [int(side) for side in sides]
    return (values[0], 1) if len(values) == 1 else (prod(values[:-1]), values[-1])
