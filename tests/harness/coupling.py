"""Which channels of a plain graph can only be removed together, by following groups of channels.

It shares no code with the solver of spaces, so that tests can compare the two. Each conv and
linear opens a group, an add merges the groups of its inputs, and groups of the graph's output are
constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

from lpnet.errors import UnsupportedOp
from lpnet.space.axis import Axis, Segment, Width
from lpnet.space.graph import Graph, Node, axis_of, propagate


@dataclass(frozen=True)
class Solution:
    """The widths of a graph, and the channel axes of its input and of each node's output."""

    widths: tuple[Width, ...]
    input: Axis
    axes: tuple[Axis, ...]


def solve(graph: Graph) -> Solution:
    """Widths in execution order, each named after the first conv or linear of its group.

    Raises UnsupportedOp, naming the node, for a coupling that widths cannot express.
    """
    groups = _Groups()
    source = Axis.constant(graph.c)

    def own(index: int) -> Axis:
        return groups.open(graph.nodes[index])

    def meet(index: int, left: Axis, right: Axis) -> None:
        _unify(groups, graph.nodes[index], left, right)

    axes = propagate(graph, source, own, meet)
    for segment in axes[-1].segments:
        if segment.width is not None:
            groups.pin(segment.width)
    for index, node in enumerate(graph.nodes):
        if node.groups > 1:
            c_in = axis_of(node.inputs[0], source, axes)
            if not graph.depthwise(index, c_in):
                _align(groups, node, c_in)
                _align(groups, node, axes[index])
    return Solution(groups.widths(), source, tuple(axis.rename(groups.width_of) for axis in axes))


class _Groups:
    """Union-find over groups, each named after the node that opened it."""

    def __init__(self) -> None:
        self.parent: dict[str, str] = {}
        self.size: dict[str, int] = {}
        self.granule: dict[str, int] = {}
        self.pinned: set[str] = set()

    def open(self, node: Node) -> Axis:
        self.parent[node.name] = node.name
        self.size[node.name] = node.c_out
        self.granule[node.name] = 1
        return Axis.of(node.name, node.c_out)

    def find(self, name: str) -> str:
        while self.parent[name] != name:
            name = self.parent[name]
        return name

    def union(self, left: str, right: str) -> None:
        # The name of the group that was opened first remains.
        roots = {self.find(left), self.find(right)}
        first = next(name for name in self.parent if name in roots)
        for root in roots - {first}:
            self.parent[root] = first
            if root in self.pinned:
                self.pinned.add(first)

    def pin(self, name: str) -> None:
        self.pinned.add(self.find(name))

    def align(self, name: str, granule: int) -> None:
        root = self.find(name)
        self.granule[root] = lcm(self.granule[root], granule)

    def width_of(self, name: str) -> str | None:
        root = self.find(name)
        return None if root in self.pinned else root

    def widths(self) -> tuple[Width, ...]:
        return tuple(
            Width(name, self.size[name], self.granule[name])
            for name, parent in self.parent.items()
            if parent == name and name not in self.pinned
        )


def _unify(groups: _Groups, node: Node, left: Axis, right: Axis) -> None:
    """Merge two axes segment by segment; a constant segment makes the other constant."""
    if [(s.size, s.inner) for s in left.segments] != [(s.size, s.inner) for s in right.segments]:
        raise UnsupportedOp(
            node.name, node.type, f"adds {_sizes(left)} channels to {_sizes(right)}"
        )
    for first, second in zip(left.segments, right.segments, strict=True):
        if first.width is not None and second.width is not None:
            groups.union(first.width, second.width)
        elif first.width is not None:
            groups.pin(first.width)
        elif second.width is not None:
            groups.pin(second.width)


def _align(groups: _Groups, node: Node, axis: Axis) -> None:
    """Make a grouped conv keep the same number of channels in each of its groups."""
    if not axis.widths:
        return
    segment: Segment = axis.segments[0]
    if len(axis.segments) > 1 or segment.inner > 1 or segment.width is None:
        raise UnsupportedOp(
            node.name, node.type, f"{node.groups} groups cut across {_sizes(axis)} channels"
        )
    groups.align(segment.width, node.groups)


def _sizes(axis: Axis) -> str:
    return " and ".join(
        f"{s.size}" if s.inner == 1 else f"{s.size} x {s.inner}" for s in axis.segments
    )
