"""Norms, reductions, pools and other ops that combine positions along axes."""

from __future__ import annotations

import numpy as np

from lpnet.space.raw import RawNode
from lpnet.space.solver.labelled import Factor, Labelled
from lpnet.space.solver.state import State

REDUCTIONS = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean"),
    *("ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare", "ArgMax", "ArgMin"),
)
POOLS = (
    *("AveragePool", "MaxPool", "LpPool", "GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"),
)
_WINDOW = "a window slides over this axis"


def batch_norm(state: State, node: RawNode) -> None:
    value = state.value(node.inputs[0])
    if node.attr("training_mode", 0):
        state.freeze(value.labels(), node, "its statistics are those of the batch")
    if value.factor(1) is not None:
        value = state.alone(value, 1, node)
    _unite_per_channel(state, node, value, range(1, 5))
    state.bind(node, value)


def _unite_per_channel(state: State, node: RawNode, value: Labelled, positions: range) -> None:
    for position in positions:
        if position < len(node.inputs) and node.inputs[position]:
            per_channel = state.value(node.inputs[position])
            state.unite(state.axis(value, 1, node), state.axis(per_channel, 0, node), node)


def layer_norm(state: State, node: RawNode) -> None:
    value = state.value(node.inputs[0])
    first = int(node.attr("axis", -1)) % value.rank
    for axis in range(first, value.rank):
        value = state.reduce(value, axis, node, "it normalises over the channels")
    for name in node.inputs[1:]:
        state.freeze_value(name, node, "it normalises over the channels")
    state.bind(node, value)
    for position in range(1, len(node.outputs)):
        state.bind(node, Labelled(state.raw.shape(node.outputs[position])), position)


def instance_norm(state: State, node: RawNode) -> None:
    value = state.value(node.inputs[0])
    for axis in range(2, value.rank):
        value = state.reduce(value, axis, node, "it normalises over this axis")
    if value.factor(1) is not None:
        value = state.alone(value, 1, node)
    _unite_per_channel(state, node, value, range(1, 3))
    state.bind(node, value)


def group_norm(state: State, node: RawNode) -> None:
    # Whole groups go or stay, so that the statistics of those which stay do not change.
    value = state.value(node.inputs[0])
    groups = int(node.attr("num_groups", 1))
    labels = state.axis(value, 1, node).reshape(groups, -1)
    if groups == 1:
        state.freeze((labels,), node, "it normalises over the channels")
    state.unite(labels, np.broadcast_to(labels[:, :1], labels.shape), node)
    for axis in range(2, value.rank):
        value = state.reduce(value, axis, node, "it normalises over this axis")
    for name in node.inputs[1:]:
        scale = state.axis(state.value(name), 0, node)
        state.unite(
            labels if scale.size == labels.size else labels[:, 0],
            scale.reshape(labels.shape if scale.size == labels.size else (groups,)),
            node,
        )
    factors = [f for f in value.factors if 1 not in f.axes]
    state.bind(node, Labelled(value.shape, (*factors, Factor((1,), labels.reshape(-1)))))


def over_axis(state: State, node: RawNode) -> None:
    value = state.value(node.inputs[0])
    axis = int(node.attr("axis", -1)) % value.rank
    state.bind(node, state.reduce(value, axis, node, "it runs over the channels"))


def cumulative(state: State, node: RawNode) -> None:
    value = state.value(node.inputs[0])
    axes = state.raw.integers(node.inputs[1])
    for axis in range(value.rank) if axes is None else axes:
        value = state.reduce(value, axis % value.rank, node, "it runs over the channels")
    state.bind(node, value)


def reduction(state: State, node: RawNode) -> None:
    value = state.value(node.inputs[0])
    axes = reduced_axes(state, node, value.rank)
    for axis in axes:
        value = state.reduce(value, axis, node, "it reduces the channels")
    shape = state.raw.shape(node.outputs[0])
    if len(shape) == value.rank:
        state.bind(node, Labelled(shape, value.factors))
        return
    kept = [axis for axis in range(value.rank) if axis not in axes]
    factors = (Factor(tuple(kept.index(a) for a in f.axes), f.labels) for f in value.factors)
    state.bind(node, Labelled(shape, tuple(factors)))


def reduced_axes(state: State, node: RawNode, rank: int) -> list[int]:
    if node.op in ("ArgMax", "ArgMin"):
        return [int(node.attr("axis", 0)) % rank]
    axes = node.attr("axes", None)
    if axes is None and len(node.inputs) > 1 and node.inputs[1]:
        axes = state.raw.integers(node.inputs[1])
    if not axes:
        return [] if node.attr("noop_with_empty_axes", 0) else list(range(rank))
    return sorted({int(axis) % rank for axis in axes})


def pool(state: State, node: RawNode) -> None:
    value = state.value(node.inputs[0])
    for axis in range(2, value.rank):
        value = state.reduce(value, axis, node, _WINDOW)
    for position, name in enumerate(node.outputs):
        state.bind(node, Labelled(state.raw.shape(name), value.factors), position)


def resize(state: State, node: RawNode) -> None:
    value, shape = state.value(node.inputs[0]), state.raw.shape(node.outputs[0])
    for axis, (before, after) in enumerate(zip(value.shape, shape, strict=True)):
        if before != after:
            value = state.reduce(value, axis, node, "it resizes this axis")
    state.bind(node, Labelled(shape, value.factors))
