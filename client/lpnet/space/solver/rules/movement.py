"""Ops that move values without changing them, executed on the labels."""

from __future__ import annotations

from math import prod

import numpy as np

from lpnet.space.raw import RawGraph, RawNode, Shape
from lpnet.space.solver.classes import Labels
from lpnet.space.solver.labelled import (
    Factor,
    Labelled,
    along,
    replaced,
    reshape_groups,
)
from lpnet.space.solver.labelled import transpose as transposed
from lpnet.space.solver.rules import pointwise
from lpnet.space.solver.state import State


def transpose(state: State, node: RawNode) -> None:
    value = state.value(node.inputs[0])
    order = node.attr("perm", None) or tuple(reversed(range(value.rank)))
    state.bind(node, transposed(value, [int(axis) for axis in order]))


def reshape(state: State, node: RawNode) -> None:
    value = state.value(node.inputs[0])
    state.bind(node, reshaped(state, node, value, state.raw.shape(node.outputs[0])))


def reshaped(state: State, node: RawNode, value: Labelled, shape: Shape) -> Labelled:
    if 0 in shape or prod(shape) != prod(value.shape):
        state.freeze(value.labels(), node, f"reshapes {[*value.shape]} to {[*shape]}")
        return Labelled(shape)
    groups = reshape_groups(value.shape, shape)
    factors = []
    for factor in value.factors:
        touched = [g for g in groups if set(g[0]) & set(factor.axes)]
        before = [axis for group in touched for axis in group[0]]
        after = [axis for group in touched for axis in group[1]]
        if any(set(f.axes) & set(before) for f in value.factors if f is not factor):
            state.freeze(value.labels(), node, "channels along several axes become one axis")
            return Labelled(shape)
        labels = along(factor, before, value.shape).reshape([shape[axis] for axis in after])
        factors += compact(after, labels)
    return Labelled(shape, tuple(factors))


def compact(axes: list[int], labels: Labels) -> list[Factor]:
    """A factor without the axes along which the labels do not vary. None if none are left."""
    varying = list(axes)
    for axis in axes:
        where = varying.index(axis)
        first = labels.take([0], axis=where)
        if labels.shape[where] == 1 or (labels == first).all():
            labels = np.asarray(labels.take(0, axis=where))
            varying.remove(axis)
    if varying:
        return [Factor(tuple(varying), np.ascontiguousarray(labels))]
    return []


def concat(state: State, node: RawNode) -> None:
    values = [state.value(name) for name in node.inputs]
    shape = state.raw.shape(node.outputs[0])
    axis = int(node.attr("axis", 0)) % len(shape)
    along_axis = [value.factor(axis) for value in values]
    spans = sorted({a for factor in along_axis if factor is not None for a in factor.axes})
    # Other axes agree position by position.
    without_axis = [
        Labelled(
            tuple(1 if a == axis else side for a, side in enumerate(value.shape)),
            tuple(f for f in value.factors if axis not in f.axes),
        )
        for value in values
    ]
    if any(set(f.axes) & set(spans) for value in without_axis for f in value.factors):
        for value in values:
            state.freeze(value.labels(), node, "channels along several axes are concatenated")
        state.bind(node, Labelled(shape))
        return
    flat = tuple(1 if a == axis else side for a, side in enumerate(shape))
    factors = list(pointwise.unite(state, node, without_axis, flat).factors)
    if spans:
        parts = [
            along(factor, spans, value.shape)
            if factor is not None
            else np.zeros([value.shape[a] for a in spans], dtype=np.int64)
            for factor, value in zip(along_axis, values, strict=True)
        ]
        factors.append(
            Factor(tuple(spans), np.ascontiguousarray(np.concatenate(parts, spans.index(axis))))
        )
    state.bind(node, Labelled(shape, tuple(factors)))


def split(state: State, node: RawNode) -> None:
    value = state.value(node.inputs[0])
    axis = int(node.attr("axis", 0)) % value.rank
    sides = split_sides(state.raw, node, axis)
    if "num_outputs" in node.attributes and len(set(sides)) == 1:
        value = _tied_parts(state, node, value, axis, len(sides))
    start = 0
    for position, side in enumerate(sides):
        if node.outputs[position]:
            part = taken(value, axis, np.arange(start, start + side))
            state.bind(node, part, position)
        start += side


def split_sides(raw: RawGraph, node: RawNode, axis: int) -> list[int]:
    """The size of each part of a Split along its axis."""
    sides = node.attr("split", None)
    if sides is None and len(node.inputs) > 1 and node.inputs[1]:
        sides = raw.integers(node.inputs[1])
    if sides is not None:
        return [int(side) for side in sides]
    whole, parts = raw.shape(node.inputs[0])[axis], len(node.outputs)
    side = -(-whole // parts)
    return [side] * (parts - 1) + [whole - side * (parts - 1)]


def _tied_parts(state: State, node: RawNode, value: Labelled, axis: int, parts: int) -> Labelled:
    """A split into equal parts keeps equally many channels in each: the same ones."""
    factor = value.factor(axis)
    if factor is None:
        return value
    labels = np.moveaxis(factor.labels, factor.axes.index(axis), 0)
    by_part = labels.reshape(parts, -1, *labels.shape[1:])
    state.unite(by_part, np.broadcast_to(by_part[:1], by_part.shape), node)
    return value


def slice_(state: State, node: RawNode) -> None:
    value = state.value(node.inputs[0])
    cuts = slices(state.raw, node, value.shape)
    if cuts is None:
        state.freeze(value.labels(), node, "the bounds of its slice are not constants")
        state.bind(node, Labelled(state.raw.shape(node.outputs[0])))
        return
    for axis, cut in cuts.items():
        indices = np.arange(value.shape[axis])[cut]
        factor = value.factor(axis)
        if factor is not None and cut.step not in (None, 1):
            value = state.reduce(value, axis, node, f"takes channels in steps of {cut.step}")
        elif len(indices) == 1 < value.shape[axis]:
            value = state.reduce(value, axis, node, "takes a single channel")
        value = taken(value, axis, indices)
    state.bind(node, value)


def slices(raw: RawGraph, node: RawNode, shape: Shape) -> dict[int, slice] | None:
    """The slice of each axis that a Slice cuts. None if a bound is not a constant."""
    if "starts" in node.attributes:
        starts, ends = node.attr("starts", ()), node.attr("ends", ())
        axes, steps = node.attr("axes", range(len(starts))), [1] * len(starts)
    else:
        bounds = [raw.integers(name) if name else None for name in node.inputs[1:]]
        if any(b is None for b, name in zip(bounds, node.inputs[1:], strict=True) if name):
            return None
        bounds += [None] * (4 - len(bounds))
        if bounds[0] is None or bounds[1] is None:
            return None
        starts, ends = bounds[0], bounds[1]
        axes = range(len(starts)) if bounds[2] is None else bounds[2]
        steps = [1] * len(starts) if bounds[3] is None else bounds[3]
    result = {}
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        side = shape[int(axis) % len(shape)]
        stop: int | None = int(end)
        if step < 0 and end < -side:
            stop = None
        result[int(axis) % len(shape)] = slice(int(start), stop, int(step))
    return result


def taken(value: Labelled, axis: int, indices: Labels) -> Labelled:
    """The positions of an axis at these indices."""
    shape = tuple(len(indices) if a == axis else side for a, side in enumerate(value.shape))
    factor = value.factor(axis)
    if factor is None:
        return Labelled(shape, value.factors)
    labels = factor.labels.take(indices, axis=factor.axes.index(axis))
    remaining = replaced(value, factor, None)
    return Labelled(shape, (*remaining, *compact(list(factor.axes), labels)))


def gather(state: State, node: RawNode) -> None:
    value = state.value(node.inputs[0])
    axis = int(node.attr("axis", 0)) % value.rank
    shape = state.raw.shape(node.outputs[0])
    indices = state.raw.constants.get(node.inputs[1])
    if indices is None or indices.ndim > 1:
        # A lookup: in a table of weights it is an embedding. Other axes pass.
        value = state.reduce(value, axis, node, "a lookup by index")
        state.freeze_value(node.inputs[1], node, "channels are indices")
        extra = len(shape) - value.rank
        moved = (
            Factor(tuple(a + extra * (a > axis) for a in f.axes), f.labels) for f in value.factors
        )
        state.bind(node, Labelled(shape, tuple(moved)))
        return
    value = state.reduce(value, axis, node, "channels are taken by index")
    part = taken(value, axis, np.asarray(indices, dtype=np.int64).reshape(-1))
    if indices.ndim == 0:
        part = _dropped(part, axis)
    state.bind(node, Labelled(shape, part.factors))


def gather_nd(state: State, node: RawNode) -> None:
    """Positions along the first axes are taken by index; the others pass."""
    value, shape = state.value(node.inputs[0]), state.raw.shape(node.outputs[0])
    indices = state.raw.shape(node.inputs[1])
    stop = int(node.attr("batch_dims", 0)) + indices[-1]
    for axis in range(stop):
        value = state.reduce(value, axis, node, "channels are taken by index")
    state.freeze_value(node.inputs[1], node, "channels are indices")
    # Axes of the indices are where the axes were that they index.
    extra = len(shape) - value.rank
    moved = (
        Factor(tuple(a + extra * (a >= stop) for a in f.axes), f.labels) for f in value.factors
    )
    state.bind(node, Labelled(shape, tuple(moved)))


def _dropped(value: Labelled, axis: int) -> Labelled:
    factors = (Factor(tuple(a - (a > axis) for a in f.axes), f.labels) for f in value.factors)
    shape = tuple(side for a, side in enumerate(value.shape) if a != axis)
    return Labelled(shape, tuple(factors))


def expand(state: State, node: RawNode) -> None:
    value, shape = state.value(node.inputs[0]), state.raw.shape(node.outputs[0])
    shift = len(shape) - value.rank
    factors = [Factor(tuple(a + shift for a in f.axes), f.labels) for f in value.factors]
    for axis, side in enumerate(shape):
        if side > 1 and (axis < shift or value.shape[axis - shift] == 1):
            # Copies are as many as whatever they meet.
            factors.append(Factor((axis,), state.classes.open(side)))
    state.bind(node, Labelled(shape, tuple(factors)))


def tile(state: State, node: RawNode) -> None:
    value, shape = state.value(node.inputs[0]), state.raw.shape(node.outputs[0])
    for axis, (side, wide) in enumerate(zip(value.shape, shape, strict=True)):
        if side != wide and value.factor(axis) is not None:
            value = state.reduce(value, axis, node, "repeats channels")
    state.bind(node, Labelled(shape, value.factors))


def pad(state: State, node: RawNode) -> None:
    value, shape = state.value(node.inputs[0]), state.raw.shape(node.outputs[0])
    pads = _pads(state, node, value.rank)
    mode = node.attr("mode", "constant")
    constant = mode in ("constant", b"constant")
    factors = []
    for factor in value.factors:
        padded = [axis for axis in factor.axes if value.shape[axis] != shape[axis]]
        if padded and (pads is None or not constant):
            state.freeze((factor.labels,), node, "pads channels with others")
            continue
        labels = factor.labels
        if pads is not None and padded:
            # Padding has no label: it stays.
            around = [(pads[axis], pads[axis + value.rank]) for axis in factor.axes]
            if min(min(pair) for pair in around) < 0:
                state.freeze((factor.labels,), node, "a negative padding")
                continue
            labels = np.pad(labels, around)
        factors.append(Factor(factor.axes, labels))
    state.bind(node, Labelled(shape, tuple(factors)))


def _pads(state: State, node: RawNode, rank: int) -> list[int] | None:
    if "pads" in node.attributes:
        return [int(p) for p in node.attr("pads", ())]
    listed = state.raw.integers(node.inputs[1])
    if listed is None:
        return None
    axes = state.raw.integers(node.inputs[3]) if len(node.inputs) > 3 and node.inputs[3] else None
    pads = [0] * (2 * rank)
    for index, axis in enumerate(range(rank) if axes is None else axes):
        pads[axis % rank] = listed[index]
        pads[axis % rank + rank] = listed[index + len(listed) // 2]
    return pads


def depth_to_space(state: State, node: RawNode) -> None:
    value, shape = state.value(node.inputs[0]), state.raw.shape(node.outputs[0])
    n, c, h, w = value.shape
    side = int(node.attr("blocksize", 1))
    if node.attr("mode", "DCR") in ("DCR", b"DCR"):
        blocks, order = (n, side, side, c // side**2, h, w), (0, 3, 4, 1, 5, 2)
    else:
        blocks, order = (n, c // side**2, side, side, h, w), (0, 1, 4, 2, 5, 3)
    value = transposed(reshaped(state, node, value, blocks), order)
    state.bind(node, reshaped(state, node, value, shape))


def space_to_depth(state: State, node: RawNode) -> None:
    value, shape = state.value(node.inputs[0]), state.raw.shape(node.outputs[0])
    n, c, h, w = value.shape
    side = int(node.attr("blocksize", 1))
    value = reshaped(state, node, value, (n, c, h // side, side, w // side, side))
    value = transposed(value, (0, 3, 5, 1, 2, 4))
    state.bind(node, reshaped(state, node, value, shape))
