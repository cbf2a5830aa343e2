"""Ops that compute each position from the same position of their inputs."""

from __future__ import annotations

import numpy as np

from lpnet.space.raw import RawNode, Shape
from lpnet.space.solver.labelled import Factor, Labelled, along
from lpnet.space.solver.state import State

OPS = (
    *("Abs", "Acos", "Acosh", "Add", "And", "Asin", "Asinh", "Atan", "Atanh", "BitShift"),
    *("BitwiseAnd", "BitwiseNot", "BitwiseOr", "BitwiseXor", "Cast", "CastLike", "Ceil", "Celu"),
    *("Clip", "Cos", "Cosh", "Div", "Dropout", "Elu", "Equal", "Erf", "Exp", "Floor", "Gelu"),
    *("Greater", "GreaterOrEqual", "HardSigmoid", "HardSwish", "Identity", "IsInf", "IsNaN"),
    *("LeakyRelu", "Less", "LessOrEqual", "Log", "Max", "Mean", "Min", "Mish", "Mod", "Mul"),
    *("Neg", "Not", "Or", "PRelu", "Pow", "Reciprocal", "Relu", "Round", "Selu", "Shrink"),
    *("Sigmoid", "Sign", "Sin", "Sinh", "Softplus", "Softsign", "Sqrt", "Sub", "Sum", "Swish"),
    *("Tan", "Tanh", "ThresholdedRelu", "Where", "Xor"),
)
# Only the first input has positions of the output; the others are numbers, or set the type.
_UNARY = frozenset({"Cast", "CastLike", "Clip", "Dropout"})


def broadcast(state: State, node: RawNode) -> None:
    names = node.inputs[:1] if node.op in _UNARY else node.inputs
    values = [state.value(name) for name in names if name]
    shape = np.broadcast_shapes(*(value.shape for value in values))
    united = unite(state, node, [_aligned(value, shape) for value in values], shape)
    for position in range(len(node.outputs)):
        state.bind(node, united, position)


def unite(state: State, node: RawNode, values: list[Labelled], shape: Shape) -> Labelled:
    """Tie values of the same rank position by position; a side of 1 ties nothing."""
    factors = []
    for axes in _components(values):
        combined = _component(state, node, values, axes, shape)
        factors += [] if combined is None else [combined]
    return Labelled(tuple(shape), tuple(factors))


def _aligned(value: Labelled, shape: Shape) -> Labelled:
    shift = len(shape) - value.rank
    factors = (Factor(tuple(axis + shift for axis in f.axes), f.labels) for f in value.factors)
    return Labelled((1,) * shift + value.shape, tuple(factors))


def _components(values: list[Labelled]) -> list[tuple[int, ...]]:
    """Sets of axes that factors connect."""
    components: list[set[int]] = []
    for value in values:
        for factor in value.factors:
            axes = set(factor.axes)
            touched = [component for component in components if component & axes]
            components = [component for component in components if not component & axes]
            components.append(axes.union(*touched))
    return [tuple(sorted(component)) for component in components]


def _without_constant_axes(
    state: State, node: RawNode, values: list[Labelled], axes: tuple[int, ...]
) -> tuple[list[Labelled], tuple[int, ...]]:
    """Constants that vary along some of the axes, such as angles along the channels of a head,
    tie what varies along these: labels go on to vary along the others."""
    constant: set[int] = set()
    for value in values:
        full = {axis for axis in axes if value.shape[axis] > 1}
        if full and full < set(axes) and not value.axes & set(axes):
            constant |= full
    if not constant or constant == set(axes):
        return values, axes
    for axis in sorted(constant):
        values = [
            state.reduce(value, axis, node, "multiplied with constants along the channels")
            for value in values
        ]
    return values, tuple(axis for axis in axes if axis not in constant)


def _component(
    state: State, node: RawNode, values: list[Labelled], axes: tuple[int, ...], shape: Shape
) -> Factor | None:
    if len(axes) > 1:
        values, axes = _without_constant_axes(state, node, values, axes)
    arrays = []
    for value in values:
        full = [axis for axis in axes if value.shape[axis] > 1]
        if not full:
            continue
        factors = [factor for factor in value.factors if set(factor.axes) & set(axes)]
        if len(factors) > 1:
            for other in values:
                state.freeze(
                    (f.labels for f in other.factors if set(f.axes) & set(axes)),
                    node,
                    "channels along several axes are combined",
                )
            return None
        sides = [shape[axis] if axis in full else 1 for axis in axes]
        if factors:
            arrays.append(along(factors[0], full, value.shape).reshape(sides))
        else:
            arrays.append(np.zeros(sides, dtype=np.int64))
    first = max(arrays, key=lambda array: array.size)
    for array in arrays:
        if array is not first:
            state.unite(
                array, np.broadcast_to(first, np.broadcast_shapes(array.shape, first.shape)), node
            )
    sizes = [shape[axis] for axis in axes]
    return Factor(axes, np.ascontiguousarray(np.broadcast_to(first, sizes)))
