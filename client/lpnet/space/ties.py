"""Channels that a forward pass takes to be equally many, where its graph does not show it.

`x.split((self.c, self.c), 1)` has parts of one size, and `y.view(b, c, h, w)` with the sides of
its input has the channels of that input. In a graph both are numbers. Where widths cannot be cut
alone, such channels are tied: they are removed together.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import numpy as np

from lpnet.space.axis import Axis
from lpnet.space.onnx_reader.tensors import TensorAxes
from lpnet.space.raw import RawGraph, RawNode
from lpnet.space.solver.state import State
from lpnet.space.template import Template


@dataclass(frozen=True)
class Tie:
    """The channels along an axis of a tensor go with those along an axis of another, in order."""

    node: RawNode
    tensors: tuple[str, str]
    axes: tuple[int, int]

    def apply(self, state: State) -> None:
        left, right = (
            state.axis(state.value(name), axis, self.node)
            for name, axis in zip(self.tensors, self.axes, strict=True)
        )
        state.unite(left, right, self.node)


def as_in(template: Template) -> Callable[[State], None]:
    """Ties channels of parameters that are an atom of the template, in another graph of it."""
    node = RawNode("", "", (), (), {}, "")

    def tie(state: State) -> None:
        known: dict[tuple[str, int], int] = {}
        for parameter in template.parameters:
            if parameter.name not in state.raw.parameters:
                continue
            for position, axis in enumerate(parameter.axes):
                if axis.widths:
                    labels = state.axis(state.value(parameter.name), position, node)
                    atoms = [*zip(_atoms(axis), labels.tolist(), strict=True)]
                    first = [known.setdefault(atom, label) for atom, label in atoms if atom]
                    own = [label for atom, label in atoms if atom]
                    state.unite(np.array(own), np.array(first), node)

    return tie


def _atoms(axis: Axis) -> Iterator[tuple[str, int] | None]:
    """The width and atom of each position; None for a constant one."""
    for segment in axis.segments:
        for atom in range(segment.first, segment.first + segment.size):
            for _ in range(segment.inner):
                yield None if segment.width is None else (segment.width, atom)


def proposed(axes: TensorAxes, widths: Collection[str]) -> tuple[Tie, ...]:
    """Ties between these widths, for a graph with these axes."""
    entering = _entering(axes.raw)
    candidates: list[Tie] = []
    for node in axes.raw.nodes:
        if node.op == "Split":
            axis = int(node.attr("axis", 0))
            first, *others = node.outputs
            candidates += [Tie(node, (first, other), (axis, axis)) for other in others]
        elif node.op == "Reshape" and not axes.is_static(node.outputs[0]):
            (output,) = node.outputs
            candidates += [
                Tie(node, (output, name), (own, other))
                for name in entering[node.path.rpartition(".")[0]]
                for own in range(len(axes.dims(output)))
                for other in range(len(axes.dims(name)))
            ]
    return tuple(tie for tie in candidates if _differs(axes, tie, widths))


def _differs(axes: TensorAxes, tie: Tie, widths: Collection[str]) -> bool:
    """True for channels of these widths alone, equally many, that are not tied yet."""
    if not all(tie.tensors):
        return False
    first, second = (
        axes.dims(name)[axis] for name, axis in zip(tie.tensors, tie.axes, strict=True)
    )
    used = first.widths, second.widths
    return (
        all(used)
        and used[0].union(used[1]).issubset(widths)
        and first.dense == second.dense
        and first != second
    )


def _entering(raw: RawGraph) -> dict[str, dict[str, None]]:
    """The tensors that the nodes of each module read, and that it does not compute."""
    entering: dict[str, dict[str, None]] = defaultdict(dict)
    makers = {name: node for node in raw.nodes for name in node.outputs}
    for node in raw.nodes:
        for name in node.inputs:
            maker = makers.get(name)
            for module in _modules(node) if maker is not None else ():
                if maker is not None and module not in _modules(maker):
                    entering[module][name] = None
    return entering


def _modules(node: RawNode) -> Iterator[str]:
    """The modules around a node, innermost first."""
    path = node.path
    while path:
        path = path.rpartition(".")[0]
        yield path
