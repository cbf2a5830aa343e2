"""Ops that sum products over an axis: convs, linear layers, matrix products."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import ascii_letters

import numpy as np

from lpnet.space.einsum import terms
from lpnet.space.raw import RawNode
from lpnet.space.solver.labelled import Factor, Labelled, transpose
from lpnet.space.solver.state import Grouped, State

_SUMMED = "channels are summed"
_WINDOW = "a window slides over this axis"


def conv(state: State, node: RawNode) -> None:
    value, weight = state.value(node.inputs[0]), state.value(node.inputs[1])
    groups = int(node.attr("group", 1))
    out = _channels_out(state, node, weight, 0)
    reads = state.axis(value, 1, node)
    if groups == 1:
        state.unite(reads, state.axis(weight, 1, node), node)
    elif groups == len(reads):
        state.unite(out, np.repeat(reads, len(out) // groups), node)
    else:
        _grouped(state, node, reads, out, groups)
    _emit_conv(state, node, value, out)


def conv_transpose(state: State, node: RawNode) -> None:
    value, weight = state.value(node.inputs[0]), state.value(node.inputs[1])
    groups = int(node.attr("group", 1))
    reads, taken = state.axis(value, 1, node), state.axis(weight, 0, node)
    state.unite(reads, taken, node)
    if groups == 1:
        out = _channels_out(state, node, weight, 1)
    elif groups == len(reads) and weight.shape[1] == 1:
        out = reads
    else:
        state.freeze((reads, *weight.labels()), node, "a transposed conv with groups")
        out = np.zeros(groups * weight.shape[1], dtype=np.int64)
    _emit_conv(state, node, value, out)


def _channels_out(state: State, node: RawNode, weight: Labelled, axis: int) -> np.ndarray:
    for other in range(2, weight.rank):
        _pin(state, node, weight, other)
    out = state.axis(weight, axis, node)
    if state.is_static(node.inputs[1]):
        state.open(layer_name(state, node, node.inputs[1]), out)
    return out


def _pin(state: State, node: RawNode, weight: Labelled, axis: int) -> None:
    factor = weight.factor(axis)
    if factor is not None:
        state.freeze((factor.labels,), node, _WINDOW)


def _emit_conv(state: State, node: RawNode, value: Labelled, out: np.ndarray) -> None:
    if len(node.inputs) > 2 and node.inputs[2]:
        state.unite(out, state.axis(state.value(node.inputs[2]), 0, node), node)
    for axis in range(2, value.rank):
        value = state.reduce(value, axis, node, _WINDOW)
    factors = [factor for factor in value.factors if 1 not in factor.axes]
    if len(out) > 1:
        factors.append(Factor((1,), out))
    shape = state.raw.shape(node.outputs[0])
    state.bind(node, Labelled(shape, tuple(factors)))


def _grouped(state: State, node: RawNode, reads: np.ndarray, out: np.ndarray, groups: int) -> None:
    read, computed = (
        Grouped(reads.reshape(groups, -1), node),
        Grouped(out.reshape(groups, -1), node),
    )
    name = node.inputs[1]
    if name in state.raw.parameters and name not in state.group_reads:
        state.group_reads[name] = read
        state.grouped += [read, computed]
        return
    for part in (read, computed):
        state.unite(part.labels, np.broadcast_to(part.labels[:1], part.labels.shape), node)
    state.unite(read.labels[0], state.axis(state.value(name), 1, node), node)


def gemm(state: State, node: RawNode) -> None:
    left, right = state.value(node.inputs[0]), state.value(node.inputs[1])
    left = transpose(left, (1, 0)) if node.attr("transA", 0) else left
    right = transpose(right, (1, 0)) if node.attr("transB", 0) else right
    out = contract(state, node, [left, right], ["mk", "kn"], "mn")
    if len(node.inputs) > 2 and node.inputs[2]:
        bias = state.value(node.inputs[2])
        last = bias.shape[-1] if bias.rank else 1
        if last > 1:
            state.unite(state.axis(out, 1, node), state.axis(bias, bias.rank - 1, node), node)
    state.bind(node, out)


def matmul(state: State, node: RawNode) -> None:
    left, right = state.value(node.inputs[0]), state.value(node.inputs[1])
    if left.rank == 1 or right.rank == 1:
        for name in node.inputs:
            state.freeze_value(name, node, "a product with a vector")
        state.bind(node, Labelled(state.raw.shape(node.outputs[0])))
        return
    rank = max(left.rank, right.rank) - 2
    letters = iter(ascii_letters)
    batch = [next(letters) for _ in range(rank)]
    rows, summed, columns = (next(letters) for _ in range(3))
    operands = []
    result = list(batch)
    for value in (left, right):
        own = []
        for position in range(value.rank - 2):
            index = position + rank - (value.rank - 2)
            letter = batch[index]
            other = right if value is left else left
            theirs = index - (rank - (other.rank - 2))
            wide = other.shape[theirs] if theirs >= 0 else 1
            if value.shape[position] == 1 and wide > 1:
                letter = next(letters)
            own.append(letter)
        operands.append(own)
    out = contract(
        state,
        node,
        [left, right],
        ["".join([*operands[0], rows, summed]), "".join([*operands[1], summed, columns])],
        "".join([*result, rows, columns]),
    )
    state.bind(node, out)


def einsum(state: State, node: RawNode) -> None:
    equation = node.attr("equation", "")
    plain = terms(equation)
    if plain is None:
        for name in node.inputs:
            state.freeze_value(name, node, f"the equation {equation!r} is not a plain product")
        state.bind(node, Labelled(state.raw.shape(node.outputs[0])))
        return
    values = [state.value(name) for name in node.inputs]
    state.bind(node, contract(state, node, values, list(plain[0]), plain[1]))


def contract(
    state: State, node: RawNode, values: list[Labelled], letters: list[str], result: str
) -> Labelled:
    """Sums over the letters that the result lacks. Letters name axes."""
    operands = [_Operand(value, text) for value, text in zip(values, letters, strict=True)]
    for letter in dict.fromkeys("".join(letters)):
        holders = [operand for operand in operands if letter in operand.letters]
        if letter not in result:
            _sum_over(state, node, holders, letter)
        elif len(holders) > 1 and any(operand.labelled(letter) for operand in holders):
            _tie(state, node, holders, letter)
    factors: list[Factor] = []
    taken: set[int] = set()
    for operand in operands:
        for factor in operand.value.factors:
            axes = tuple(result.index(operand.letters[axis]) for axis in factor.axes)
            if not taken.intersection(axes):
                order = np.argsort(axes)
                labels = np.ascontiguousarray(factor.labels.transpose(order))
                factors.append(Factor(tuple(sorted(axes)), labels))
                taken.update(axes)
    _open(state, node, operands, result)
    return Labelled(state.raw.shape(node.outputs[0]), tuple(factors))


@dataclass
class _Operand:
    value: Labelled
    letters: str

    def labelled(self, letter: str) -> bool:
        return self.value.factor(self.letters.index(letter)) is not None


def _sum_over(state: State, node: RawNode, holders: Sequence[_Operand], letter: str) -> None:
    arrays = []
    for operand in holders:
        axis = operand.letters.index(letter)
        factor = operand.value.factor(axis)
        if factor is not None and len(factor.axes) > 1:
            operand.value = state.reduce(operand.value, axis, node, _SUMMED)
        arrays.append(state.axis(operand.value, axis, node))
    if len(arrays) == 1:
        state.freeze((arrays[0][arrays[0] > 0],), node, _SUMMED)
    else:
        state.unite(arrays[0], arrays[1], node)
    for operand in holders:
        axis = operand.letters.index(letter)
        kept = tuple(factor for factor in operand.value.factors if axis not in factor.axes)
        operand.value = Labelled(operand.value.shape, kept)


def _tie(state: State, node: RawNode, holders: Sequence[_Operand], letter: str) -> None:
    arrays = []
    for operand in holders:
        axis = operand.letters.index(letter)
        operand.value = state.alone(operand.value, axis, node)
        arrays.append(state.axis(operand.value, axis, node))
    state.unite(arrays[0], arrays[1], node)


def _open(state: State, node: RawNode, operands: Sequence[_Operand], result: str) -> None:
    for operand, name in zip(operands, node.inputs, strict=False):
        if not state.is_static(name) or all(state.is_static(n) for n in node.inputs if n):
            continue
        for axis, letter in enumerate(operand.letters):
            factor = operand.value.factor(axis)
            own = sum(letter in other.letters for other in operands) == 1
            if not own or letter not in result:
                continue
            if factor is not None and len(factor.axes) == 1:
                state.open(layer_name(state, node, name), factor.labels)
            elif operand.value.shape[axis] == 1:
                state.open(layer_name(state, node, name), np.zeros(1, dtype=np.int64))


def layer_name(state: State, node: RawNode, weight: str) -> str:
    """The module of a weight, or the path of the node for a weight without a module."""
    layers = {state.raw.modules.get(name, "") for name in state.static.get(weight, ())}
    name = layers.pop() if len(layers) == 1 else ""
    return name or node.path or node.name
