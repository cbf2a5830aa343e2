"""The state of a solution in progress: what each tensor's positions are tied to."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

from lpnet.space.raw import RawGraph, RawNode, Shape
from lpnet.space.solver.classes import CONSTANT, Classes, Labels
from lpnet.space.solver.labelled import Factor, Labelled, replaced


@dataclass(frozen=True)
class Event:
    """Why channels cannot be removed: the node that fixes them, its op, and the reason."""

    node: str
    op: str
    reason: str


@dataclass(frozen=True)
class Opening:
    """The output channels of a layer: labels in order, and the name of the layer."""

    name: str
    labels: Labels


@dataclass(frozen=True, eq=False)
class Grouped:
    """Channels that a grouped conv reads or computes, (groups, channels per group).

    Each group keeps the same number of channels.
    """

    labels: Labels
    node: RawNode


@dataclass
class State:
    """Labels of every tensor so far. `events` holds the reasons for what is frozen."""

    raw: RawGraph
    classes: Classes = field(default_factory=Classes)
    values: dict[str, Labelled] = field(default_factory=dict)
    openings: list[Opening] = field(default_factory=list)
    grouped: list[Grouped] = field(default_factory=list)
    # For the weight of a grouped conv, by name: the labels that its groups read.
    group_reads: dict[str, Grouped] = field(default_factory=dict)
    # Labels that vary along several axes; a tensor is an array only if they vary along one.
    joint: list[tuple[Factor, RawNode]] = field(default_factory=list)
    events: list[Event] = field(default_factory=lambda: [Event("", "", "constant")])
    # Parameters that a tensor is computed from, for tensors that need no input of the graph.
    static: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def value(self, name: str) -> Labelled:
        """The labels of a tensor; weights, and constants of equal values, get labels of their own
        when first read."""
        if name not in self.values:
            shape = self.raw.shape(name)
            free = name in self.raw.parameters or self.raw.is_uniform(name)
            self.values[name] = self._fresh(shape) if free else Labelled(shape)
            self.static[name] = (name,) if name in self.raw.parameters else ()
        return self.values[name]

    def _fresh(self, shape: Shape) -> Labelled:
        return Labelled(
            shape,
            tuple(
                Factor((axis,), self.classes.open(side))
                for axis, side in enumerate(shape)
                if side > 1
            ),
        )

    def is_static(self, name: str) -> bool:
        self.value(name)
        return name in self.static

    def bind(self, node: RawNode, value: Labelled, position: int = 0) -> None:
        """Set the labels of an output. It is static if all inputs of its node are."""
        name = node.outputs[position]
        # What is frozen is constant from here on.
        free = tuple(f for f in value.factors if not self.classes.is_frozen(f.labels).all())
        value = Labelled(value.shape, free)
        self.values[name] = value
        self.joint += [(factor, node) for factor in value.factors if len(factor.axes) > 1]
        inputs = [source for source in node.inputs if source]
        if all(self.is_static(source) for source in inputs):
            self.static[name] = tuple(p for source in inputs for p in self.static[source])

    def open(self, name: str, labels: Labels) -> None:
        self.openings.append(Opening(name, labels.reshape(-1)))

    def unite(self, left: Labels, right: Labels, node: RawNode, reason: str = "") -> None:
        """Tie labels position by position. A constant position freezes the other."""
        left, right = np.broadcast_arrays(left, right)
        for labels, against in ((left, right), (right, left)):
            fixed = labels[against == CONSTANT]
            if fixed.size:
                self.freeze((fixed,), node, reason or "its other input has constant channels here")
        both = (left != CONSTANT) & (right != CONSTANT)
        if both.any():
            self.classes.unite(left[both], right[both])

    def freeze(self, arrays: Iterable[Labels], node: RawNode, reason: str) -> None:
        event = Event(node.path or node.name, node.op, reason)
        self.events.append(event)
        if not sum(self.classes.freeze(labels, len(self.events) - 1) for labels in arrays):
            self.events.pop()

    def freeze_value(self, name: str, node: RawNode, reason: str) -> None:
        if name:
            self.freeze(self.value(name).labels(), node, reason)

    def alone(self, value: Labelled, axis: int, node: RawNode) -> Labelled:
        """Labels of an axis vary along it alone: all labels at a position of it are tied."""
        factor = value.factor(axis)
        if factor is None or len(factor.axes) == 1:
            return value
        rows = np.moveaxis(factor.labels, factor.axes.index(axis), 0).reshape(
            value.shape[axis], -1
        )
        self.unite(rows, np.broadcast_to(rows[:, :1], rows.shape), node)
        single = Factor((axis,), np.ascontiguousarray(rows[:, 0]))
        return Labelled(value.shape, replaced(value, factor, single))

    def axis(self, value: Labelled, axis: int, node: RawNode) -> Labels:
        """The labels along an axis, which vary along it alone; all 0 if it has none."""
        factor = self.alone(value, axis, node).factor(axis)
        if factor is None:
            return np.zeros(value.shape[axis], dtype=np.int64)
        return factor.labels

    def reduce(self, value: Labelled, axis: int, node: RawNode, reason: str) -> Labelled:
        """Nothing varies along an axis: labels that also vary along others are tied along it, and
        labels of its own are frozen."""
        factor = value.factor(axis)
        if factor is None:
            return value
        if len(factor.axes) == 1:
            self.freeze((factor.labels,), node, reason)
            return Labelled(value.shape, replaced(value, factor, None))
        labels = np.moveaxis(factor.labels, factor.axes.index(axis), 0)
        self.unite(labels, np.broadcast_to(labels[:1], labels.shape), node)
        remaining = tuple(other for other in factor.axes if other != axis)
        tied = Factor(remaining, np.ascontiguousarray(labels[0]))
        return Labelled(value.shape, replaced(value, factor, tied))
