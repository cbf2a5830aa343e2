"""The widths of a graph, and the channel axes of its tensors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lpnet.space.axis import Axis, Run, Segment, Width
from lpnet.space.limits import MAX_SEGMENTS
from lpnet.space.raw import RawGraph, RawNode
from lpnet.space.solver.classes import Labels
from lpnet.space.solver.labelled import Labelled
from lpnet.space.solver.quotient import Quotient, settle_grouped, settle_joint
from lpnet.space.solver.rules.registry import RULES
from lpnet.space.solver.state import Event, Grouped, State


@dataclass(frozen=True)
class FrozenChannels:
    """Why `channels` output channels of layers stay."""

    event: Event
    channels: int


class Solution:
    """The widths of a graph in execution order, and the axes of its tensors and parameters."""

    def __init__(self, state: State, free: Sequence[Grouped], quotient: Quotient) -> None:
        self._state = state
        self._quotient = quotient
        self._parts = {
            int(quotient.of(g.labels)[0].flat[0]): len(g.labels)
            for g in free
            if not state.classes.is_frozen(g.labels).any()
        }
        self.widths = self._widths()
        # Most tensors share their channels with others.
        self._axes: dict[bytes, Axis] = {}

    def _widths(self) -> tuple[Width, ...]:
        widths = []
        names: dict[str, int] = {}
        for number, opening in enumerate(self._quotient.openers):
            numbers, atoms = self._quotient.of(opening.labels)
            own = atoms[numbers == number]
            count = self._quotient.atoms[number]
            names[opening.name] = names.get(opening.name, 0) + 1
            name = opening.name
            if names[name] > 1:
                name = f"{name}#{names[name]}"
            granule = self._parts.get(number, len(own) // count)
            layout = () if count == len(own) else runs(own)
            widths.append(Width(name, len(own), granule, layout))
        return tuple(widths)

    @cached_property
    def frozen(self) -> tuple[FrozenChannels, ...]:
        """What keeps channels of layers, by reason, in execution order."""
        counts: dict[int, int] = {}
        for opening in self._distinct_openings():
            events = self._state.classes.events(opening)
            # A layer of a single channel has nothing to remove.
            for event in events[events >= 0].tolist() if opening.size > 1 else ():
                counts[event] = counts.get(event, 0) + 1
        return tuple(
            FrozenChannels(self._state.events[event], counts[event]) for event in sorted(counts)
        )

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the layers that open channels, in execution order."""
        return tuple(dict.fromkeys(opening.name for opening in self._state.openings))

    @property
    def channels(self) -> int:
        """Output channels of all layers but those of a single channel."""
        return sum(labels.size for labels in self._distinct_openings() if labels.size > 1)

    def _distinct_openings(self) -> list[Labels]:
        distinct: dict[bytes, Labels] = {}
        for opening in self._state.openings:
            distinct.setdefault(opening.labels.tobytes(), opening.labels)
        return list(distinct.values())

    def axis(self, labels: Labels) -> Axis:
        """Labels along an axis as segments."""
        key = labels.tobytes()
        if key not in self._axes:
            self._axes[key] = self._segmented(labels)
        return self._axes[key]

    def _segmented(self, labels: Labels) -> Axis:
        numbers, atoms = self._quotient.of(labels)
        segments: list[Segment] = []
        start = 0
        edges = [*(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
        for stop in edges:
            number = int(numbers[start])
            if number < 0:
                segments.append(Segment(None, stop - start))
            else:
                width = self.widths[number]
                total = self._quotient.atoms[number]
                segments += [
                    Segment(width.name, run.count, run.inner, run.first, _of(width, run, total))
                    for run in runs(atoms[start:stop])
                ]
            start = stop
        return Axis(tuple(segments))

    def value(self, name: str) -> Labelled:
        """The labels of a tensor. What no rule read is constant."""
        value = self._state.values.get(name)
        return Labelled(self._state.raw.shape(name)) if value is None else value

    def layer(self, name: str) -> str:
        """The layer that a weight belongs to; empty if it is not computed from a single one."""
        layers = {self._state.raw.modules.get(p, "") for p in self._state.static.get(name, ())}
        return layers.pop() if len(layers) == 1 else ""

    def dims(self, name: str) -> tuple[Axis, ...]:
        """The axes of a tensor."""
        return self.dims_of(self.value(name))

    def dims_of(self, value: Labelled) -> tuple[Axis, ...]:
        axes = [Axis.constant(side) for side in value.shape]
        for factor in value.factors:
            roots = self._state.classes.roots(factor.labels)
            varying = [a for a in range(roots.ndim) if (roots != roots.take([0], a)).any()]
            if len(varying) == 1:
                where = varying[0]
                line = np.moveaxis(roots, where, 0).reshape(roots.shape[where], -1)[:, 0]
                axes[factor.axes[where]] = self.axis(line)
            elif not varying and roots.size and self._quotient.of(roots.flat[:1])[0][0] >= 0:
                # A single class along all axes: it is whole, or removed as a whole.
                axes[factor.axes[0]] = self.axis(roots.reshape(len(roots), -1)[:, 0])
        return tuple(axes)

    def group_reads(self, name: str) -> Axis | None:
        """For the weight of a grouped conv: the channels that its groups read."""
        grouped = self._state.group_reads.get(name)
        return None if grouped is None else self.axis(grouped.labels.reshape(-1))

    def parameters(self, name: str) -> tuple[str, ...]:
        """The parameters that a tensor is computed from, if it needs no input of the graph."""
        if name in self._state.static:
            return self._state.static[name]
        return (name,) if name in self._state.raw.parameters else ()

    def is_static(self, name: str) -> bool:
        state = self._state
        return name in state.static or name in state.raw.constants or name in state.raw.parameters


def _of(width: Width, run: Run, atoms: int) -> int:
    # A whole width in a single run needs no number of its own.
    whole = run.first == 0 and run.count == atoms == width.max
    return 0 if whole else width.max


def runs(atoms: Labels) -> tuple[Run, ...]:
    """Atoms as runs: successive ones, each repeated `inner` times."""
    edges = np.flatnonzero(np.diff(atoms)) + 1
    starts = np.concatenate(([0], edges))
    lengths = np.diff(np.concatenate((starts, [len(atoms)])))
    values = atoms[starts]
    result: list[Run] = []
    first = 0
    for index in range(1, len(values) + 1):
        if (
            index == len(values)
            or values[index] != values[index - 1] + 1
            or lengths[index] != lengths[index - 1]
        ):
            result.append(Run(int(values[first]), index - first, int(lengths[first])))
            first = index
    return tuple(result)


def solve(
    raw: RawGraph, keep: Mapping[str, Event], ties: Sequence[Callable[[State], None]] = ()
) -> Solution:
    """Widths of a graph. `keep` are reasons to freeze layers, by name. `ties` tie channels that
    the ops of the graph leave apart."""
    state = State(raw)
    for name, shape in raw.inputs.items():
        state.values[name] = Labelled(shape)
    for node in raw.nodes:
        _apply(state, node)
    for name in raw.outputs:
        state.freeze_value(name, _OUTPUT, "an output of the network")
    for opening in state.openings:
        if opening.name in keep:
            event = keep[opening.name]
            node = RawNode(event.node, event.op, (), (), {}, event.node)
            state.freeze((opening.labels,), node, event.reason)
    for tie in ties:
        tie(state)
    settle_joint(state)
    _freeze_products(state)
    arrays = _arrays(state)
    free = settle_grouped(state, arrays)
    settle_joint(state)
    quotient = _regular(state, arrays)
    return Solution(state, free, quotient)


_OUTPUT = RawNode("output", "output", (), (), {}, "output")


def _apply(state: State, node: RawNode) -> None:
    rule = RULES.get(node.op) if node.domain in ("", "ai.onnx") else None
    if rule is not None:
        rule(state, node)
        return
    for name in (*node.inputs, *node.captured):
        state.freeze_value(name, node, f"lpnet has no rule for {node.op}")
    for position, name in enumerate(node.outputs):
        if name:
            state.bind(node, Labelled(state.raw.shape(name)), position)


def _freeze_products(state: State) -> None:
    # The number of values of a tensor would be a product of widths.
    for node in state.raw.nodes:
        for name in node.outputs:
            if name and not state.is_static(name):
                factors = state.value(name).factors
                free = [f for f in factors if not state.classes.is_frozen(f.labels).all()]
                if len(free) > 1:
                    reason = "its output has channels along several axes"
                    state.freeze((f.labels for f in free), node, reason)


def _arrays(state: State) -> list[Labels]:
    """All axes that carry labels."""
    arrays = []
    for value in state.values.values():
        for factor in value.factors:
            roots = state.classes.roots(factor.labels)
            for axis in range(roots.ndim):
                if roots.ndim == 1 or (roots != roots.take([0], axis)).any():
                    line = np.moveaxis(roots, axis, 0).reshape(roots.shape[axis], -1)
                    arrays.append(np.ascontiguousarray(line[:, 0]))
    arrays += [opening.labels for opening in state.openings]
    arrays += [grouped.labels.reshape(-1) for grouped in state.grouped]
    return arrays


def _regular(state: State, arrays: Sequence[Labels]) -> Quotient:
    """Freeze channels that interleave so irregularly that an axis would have too many segments."""
    while True:
        quotient = Quotient(state.classes, arrays, state.openings)
        wild = [array for array in arrays if _segments(quotient, array) > MAX_SEGMENTS]
        if not wild:
            return quotient
        event = RawNode("", "axis", (), (), {}, "")
        state.freeze(wild, event, "channels interleave irregularly")


def _segments(quotient: Quotient, labels: Labels) -> int:
    numbers, atoms = quotient.of(labels)
    changes = np.flatnonzero(np.diff(numbers))
    jumps = np.diff(atoms)
    irregular = (jumps != 0) & (jumps != 1) & (np.diff(numbers) == 0)
    return len(changes) + int(irregular.sum()) + 1
