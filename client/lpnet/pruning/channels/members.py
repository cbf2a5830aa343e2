"""Where the channels of a width come from in a model, and where a gate can close them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from lpnet.errors import SpaceError
from lpnet.space.axis import Axis
from lpnet.space.graph import Node
from lpnet.space.template import Template

# Activations that make something of a zero: a closed channel would not be zero for its consumer.
_NOT_ZERO_AT_ZERO = frozenset({"sigmoid", "hardsigmoid"})


@dataclass(frozen=True)
class Member:
    """A layer that gives channels of a width: rows `start` to `start + count * inner` of its
    weight, `inner` neighbouring ones per channel."""

    module: str
    start: int
    count: int
    inner: int

    def filters(self, model: nn.Module) -> Tensor:
        """The weights that give each channel, flattened: (count, values)."""
        weight = model.get_submodule(self.module).weight
        assert isinstance(weight, Tensor)
        return weight[self.start : self.start + self.count * self.inner].reshape(self.count, -1)


@dataclass(frozen=True)
class Place:
    """A module whose output is multiplied: its channels lie along `axis`, in dimension `dim`."""

    module: str
    axis: Axis
    dim: int


def members(template: Template) -> dict[str, tuple[Member, ...]]:
    """By width, every conv and linear that gives its channels; a depthwise conv is one."""
    found: dict[str, list[Member]] = {width.name: [] for width in template.widths}
    for index, node in enumerate(template.graph.nodes):
        if not node.weighted:
            continue
        start = 0
        for segment in template.axes[index].segments:
            if segment.width is not None:
                member = Member(node.module, start, segment.size, segment.inner)
                found[segment.width].append(member)
            start += segment.size * segment.inner
    return {name: tuple(given) for name, given in found.items()}


def places(template: Template) -> tuple[Place, ...]:
    """Where gates multiply: after the last BatchNorm of every layer that gives channels, so that a
    closed channel is exactly zero for whoever reads it. (A zero before a BatchNorm is none after
    it.)

    Raises SpaceError, naming the node, where an activation makes something of a zero.
    """
    return tuple(_places(template))


def _places(template: Template) -> Iterator[Place]:
    for index, node in enumerate(template.graph.nodes):
        axis = template.axes[index]
        if not axis.widths:
            continue
        if node.type == "activation" and not _keeps_zero(node):
            raise SpaceError(
                f"{node.name}: {node.function} of a closed channel is not zero, so its consumers "
                "would see it"
            )
        if node.weighted:
            linear = node.type == "linear" and not node.norms
            yield Place(node.norms[-1] if node.norms else node.module, axis, -1 if linear else 1)
        elif node.type == "batch_norm":
            yield Place(node.module, axis, 1)


def _keeps_zero(node: Node) -> bool:
    if node.function == "clip":
        bounds = dict(node.attributes)
        return float(bounds.get("min", 0)) <= 0 <= float(bounds.get("max", 0))
    return node.function not in _NOT_ZERO_AT_ZERO
