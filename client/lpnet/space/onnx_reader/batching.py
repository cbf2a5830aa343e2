"""Which axis of each tensor the batch size multiplies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod

from lpnet.space.raw import RawGraph, RawNode


@dataclass(frozen=True)
class BatchAxis:
    """The axis that holds the batch, and how often it runs through the batch there: after a merge
    with sides before the batch, `lead` is their product."""

    axis: int
    lead: int = 1


Batch = BatchAxis | None


def batch_axes(raw: RawGraph) -> dict[str, Batch]:
    """The batch axis of each tensor that is computed from an input; None if it was lost.

    The batch is the first axis of every input.
    """
    axes: dict[str, Batch] = {
        name: BatchAxis(0) if shape else None for name, shape in raw.inputs.items()
    }
    for node in raw.nodes:
        sources = [name for name in node.inputs if name in axes]
        if not sources:
            continue
        looked_up = node.op == "Gather" and sources == [node.inputs[1]]
        rule = _looked_up if looked_up else _RULES.get(node.op, _first)
        for name in node.outputs:
            # What nothing reads may have no shape.
            if name in raw.shapes:
                axes[name] = rule(raw, node, axes, sources[0], name)
    return axes


def _aligned(raw: RawGraph, node: RawNode, axes: dict[str, Batch], source: str, out: str) -> Batch:
    # Inputs broadcast: axes count from the end.
    rank = len(raw.shape(out))
    shifted = {
        replace(batch, axis=rank - len(raw.shape(name)) + batch.axis)
        for name in node.inputs
        if name in axes and (batch := axes[name]) is not None
    }
    return shifted.pop() if len(shifted) == 1 else None


def _same(raw: RawGraph, node: RawNode, axes: dict[str, Batch], source: str, out: str) -> Batch:
    return axes[source]


def _first(raw: RawGraph, node: RawNode, axes: dict[str, Batch], source: str, out: str) -> Batch:
    batch = axes[source]
    return None if batch is None or batch.axis else _kept(raw, node, axes, source, out)


def _kept(raw: RawGraph, node: RawNode, axes: dict[str, Batch], source: str, out: str) -> Batch:
    batch, before, after = axes[source], raw.shape(source), raw.shape(out)
    if batch is None or batch.axis >= len(after) or before[batch.axis] != after[batch.axis]:
        return None
    return batch


def _transpose(
    raw: RawGraph, node: RawNode, axes: dict[str, Batch], source: str, out: str
) -> Batch:
    rank = len(raw.shape(source))
    order = [int(a) for a in node.attr("perm", None) or reversed(range(rank))]
    batch = axes[source]
    return None if batch is None else replace(batch, axis=order.index(batch.axis))


def _reshape(raw: RawGraph, node: RawNode, axes: dict[str, Batch], source: str, out: str) -> Batch:
    batch, before, after = axes[source], raw.shape(source), raw.shape(out)
    if batch is None:
        return None
    # In row-major order the batch is the digit after this many values of greater weight.
    start = prod(before[: batch.axis]) * batch.lead
    first = 1
    for axis, side in enumerate(after):
        inside = first <= start and start * raw.batch <= first * side
        if inside and start % first == 0 and side % (start // first * raw.batch) == 0:
            return BatchAxis(axis, start // first)
        first *= side
    return None


def _removed(raw: RawGraph, node: RawNode, axes: dict[str, Batch], source: str, out: str) -> Batch:
    """Reductions, and a gather of a single index: axes before the batch may disappear."""
    batch, before, after = axes[source], raw.shape(source), raw.shape(out)
    if batch is None:
        return None
    if len(before) == len(after):
        return _kept(raw, node, axes, source, out)
    if node.op == "Gather":
        gone = [int(node.attr("axis", 0)) % len(before)]
        if len(after) != len(before) - 1:
            return batch if batch.axis < gone[0] else None
    else:
        listed = node.attr("axes", None)
        if listed is None and len(node.inputs) > 1:
            listed = raw.integers(node.inputs[1])
        default = [int(node.attr("axis", 0))] if node.op.startswith("Arg") else range(len(before))
        gone = [int(a) % len(before) for a in (listed or default)]
    if batch.axis in gone:
        return None
    return replace(batch, axis=batch.axis - sum(axis < batch.axis for axis in gone))


def _looked_up(
    raw: RawGraph, node: RawNode, axes: dict[str, Batch], source: str, out: str
) -> Batch:
    """The axes of the indices replace one of a table, as in an embedding."""
    batch, rank = axes[source], len(raw.shape(node.inputs[0]))
    axis = int(node.attr("axis", 0)) % rank
    return None if batch is None else replace(batch, axis=axis + batch.axis)


def _recurrent(
    raw: RawGraph, node: RawNode, axes: dict[str, Batch], source: str, out: str
) -> Batch:
    """From (steps, batch, features) to (steps, directions, batch, features), and to states."""
    batch = axes[source]
    if batch != BatchAxis(1) or node.attr("layout", 0):
        return None
    return BatchAxis(2) if out == node.outputs[0] else BatchAxis(1)


RECURRENT = ("LSTM", "GRU", "RNN")


def _gathered(
    raw: RawGraph, node: RawNode, axes: dict[str, Batch], source: str, out: str
) -> Batch:
    """GatherND: indices address the first axes, the others pass."""
    batch, indices = axes.get(node.inputs[0]), raw.shape(node.inputs[1])
    constant = node.inputs[1] not in axes and not node.attr("batch_dims", 0)
    if batch is None or not constant or batch.axis < indices[-1]:
        return None
    return replace(batch, axis=batch.axis - indices[-1] + len(indices) - 1)


_Rule = Callable[[RawGraph, RawNode, dict[str, Batch], str, str], Batch]
_POINTWISE = (
    *("Add", "And", "Div", "Equal", "Greater", "Less", "Max", "Mean", "Min", "Mod", "Mul", "Or"),
    *("Pow", "PRelu", "Sub", "Sum", "Where", "Xor", "MatMul", "GreaterOrEqual", "LessOrEqual"),
)
_RULES: dict[str, _Rule] = {
    **dict.fromkeys(_POINTWISE, _aligned),
    "Transpose": _transpose,
    "GatherND": _gathered,
    **dict.fromkeys(RECURRENT, _recurrent),
    **dict.fromkeys(("Reshape", "Flatten", "Squeeze", "Unsqueeze"), _reshape),
    **dict.fromkeys(("Gather", "ArgMax", "ArgMin"), _removed),
    **dict.fromkeys(
        ("ReduceMean", "ReduceSum", "ReduceMax", "ReduceMin", "ReduceL2", "ReduceProd"), _removed
    ),
    **dict.fromkeys(("Slice", "Split", "Concat", "Pad", "Expand", "Tile", "Resize"), _kept),
    **dict.fromkeys(
        (
            *("Abs", "Cast", "Clip", "Cos", "Dropout", "Elu", "Erf", "Exp", "Floor", "Gelu"),
            *("HardSigmoid", "HardSwish", "Identity", "LayerNormalization", "LeakyRelu", "Log"),
            *("Mish", "Neg", "Not", "Reciprocal", "Relu", "Round", "Selu", "Sigmoid", "Sign"),
            *("Sin", "Softmax", "LogSoftmax", "Softplus", "Sqrt", "Tanh"),
        ),
        _same,
    ),
}
