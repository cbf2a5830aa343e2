"""Which numbers of modules may count which channels, as the ops of their forward passes show.

A number that counts channels of a tensor is equal to a side of it. All modules of a class whose
forward passes run the same ops must agree on the side, so a number that is equal by chance, such
as the index of a layer, rarely stays a candidate. What remains is tried.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from torch import nn

from lpnet.space.attributes import Attribute, Keys, numbers
from lpnet.space.axis import Axis
from lpnet.space.onnx_reader.tensors import TensorAxes
from lpnet.space.raw import RawNode

# A role's index among its alternatives; the number after the last keeps what the model has.
Choices = dict[Hashable, int]
_OWN = frozenset(vars(nn.Module()))


@dataclass(frozen=True)
class Role:
    """A number that all modules of a kind keep. Each alternative counts other channels, and
    `widths` are those of all tensors of these modules."""

    kind: Hashable
    name: str
    keys: Keys
    alternatives: tuple[tuple[Attribute, ...], ...]
    widths: frozenset[str]

    @property
    def key(self) -> Hashable:
        return self.kind, self.name, self.keys

    def attributes(self, choice: int) -> tuple[Attribute, ...]:
        if choice < len(self.alternatives):
            return self.alternatives[choice]
        return tuple(
            Attribute(a.module, a.name, a.keys, Axis.constant(a.axis.dense))
            for a in self.alternatives[0]
        )


class Roles:
    """The roles of a model, for the axes of its graph."""

    def __init__(self, model: nn.Module, axes: TensorAxes) -> None:
        self._modules = dict(model.named_modules())
        self._axes = axes

    def attributes(self, choices: Choices) -> tuple[Attribute, ...]:
        return tuple(
            attribute
            for role in self.all
            if role.key in choices
            for attribute in role.attributes(choices[role.key])
        )

    @cached_property
    def all(self) -> tuple[Role, ...]:
        kinds: dict[Hashable, dict[str, list[Axis]]] = {}
        for path, nodes in self._nodes().items():
            sides = [*self._sides(nodes)]
            if any(axis.widths for axis in sides):
                ops = tuple(node.op for node in nodes)
                kind = (type(self._modules[path]).__qualname__, ops, len(sides))
                kinds.setdefault(kind, {})[path] = sides
        return tuple(role for kind, sides in kinds.items() for role in self._roles(kind, sides))

    def _nodes(self) -> dict[str, list[RawNode]]:
        """The nodes of the forward pass of each module, without those of its children."""
        nodes: dict[str, list[RawNode]] = {}
        for node in self._axes.raw.nodes:
            path = node.path if node.path in self._modules else node.path.rpartition(".")[0]
            module = self._modules.get(path)
            if module is not None and not type(module).__module__.startswith("torch.nn."):
                nodes.setdefault(path, []).append(node)
        return nodes

    def _sides(self, nodes: Sequence[RawNode]) -> Iterator[Axis]:
        """The sides of all tensors; before them, those of the parts of a split."""
        for node in nodes:
            if node.op == "Split":
                axis = int(node.attr("axis", 0))
                yield from (self._axes.dims(name)[axis] for name in node.outputs)
            for name in (*node.outputs, *node.inputs):
                if name and not self._axes.is_static(name):
                    yield from self._axes.dims(name)

    def _roles(self, kind: Hashable, sides: Mapping[str, Sequence[Axis]]) -> Iterator[Role]:
        widths = frozenset(w for own in sides.values() for axis in own for w in axis.widths)
        values = {path: self._numbers(path) for path in sides}
        for role in next(iter(values.values())):
            if all(role in own for own in values.values()):
                counts = {path: own[role] for path, own in values.items()}
                alternatives = tuple(_alternatives(*role, counts, sides))
                if alternatives:
                    yield Role(kind, *role, alternatives, widths)

    def _numbers(self, path: str) -> dict[tuple[str, Keys], tuple[int, ...]]:
        return {
            (name, keys): number
            for name, value in vars(self._modules[path]).items()
            if name not in _OWN
            for keys, number in numbers(value)
        }


def _alternatives(
    name: str,
    keys: Keys,
    counts: Mapping[str, tuple[int, ...]],
    sides: Mapping[str, Sequence[Axis]],
) -> Iterator[tuple[Attribute, ...]]:
    """Successive sides that agree with the numbers in all modules. A number below 1 is none."""
    length = len(next(iter(counts.values())))
    if any(len(own) != length for own in counts.values()):
        return
    distinct = set()
    for start in range(len(next(iter(sides.values()))) - length + 1):
        attributes: list[Attribute] = []
        for path, own in counts.items():
            axes = sides[path][start : start + length]
            if not all(n in (axis.dense, -1) for n, axis in zip(own, axes, strict=True)):
                break
            attributes += [
                Attribute(path, name, keys if length == 1 else (*keys, i), axis)
                for i, axis in enumerate(axes)
                if own[i] > 1
            ]
        else:
            alternative = tuple(attributes)
            if alternative not in distinct and any(a.axis.widths for a in alternative):
                yield alternative
            distinct.add(alternative)
