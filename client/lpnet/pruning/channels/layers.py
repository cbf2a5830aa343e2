"""The layers that produce the channels of a width, and where gates can close them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn

from lpnet.errors import SpaceError
from lpnet.space.axis import Axis
from lpnet.space.graph import Node
from lpnet.space.template import Template

# Activations whose value at zero is not zero: a closed channel would reach its consumers.
_NOT_ZERO_AT_ZERO = frozenset({"sigmoid", "hardsigmoid"})


@dataclass(frozen=True)
class Member:
    """A layer that produces channels of a width: rows `start` to `start + count * inner` of its
    weight, `inner` neighbouring rows per channel."""

    module: str
    start: int
    count: int
    inner: int

    def filters(self, model: nn.Module) -> Tensor:
        """The weights of each channel, flattened: (count, values)."""
        weight = model.get_submodule(self.module).weight
        assert isinstance(weight, Tensor)
        return weight[self.start : self.start + self.count * self.inner].reshape(self.count, -1)


@dataclass(frozen=True)
class GatePosition:
    """A module whose output gates multiply; its channels lie along `axis`, in dimension `dim`."""

    module: str
    axis: Axis
    dim: int


def members(template: Template) -> dict[str, tuple[Member, ...]]:
    """Every conv (depthwise too) and linear layer that produces the channels of a width, by
    width."""
    by_width: dict[str, list[Member]] = {width.name: [] for width in template.widths}
    for index, node in enumerate(template.graph.nodes):
        if not node.weighted:
            continue
        start = 0
        for segment in template.axes[index].segments:
            if segment.width is not None:
                member = Member(node.module, start, segment.size, segment.inner)
                by_width[segment.width].append(member)
            start += segment.size * segment.inner
    return {name: tuple(layers) for name, layers in by_width.items()}


def gate_positions(template: Template) -> tuple[GatePosition, ...]:
    """Where gates multiply: after the last BatchNorm of every layer that produces channels.

    There a closed channel is exactly zero for its consumers, while a BatchNorm would turn the zero
    into something else. Raises SpaceError, naming the node, if an activation does so too.
    """
    return tuple(_positions(template))


def _positions(template: Template) -> Iterator[GatePosition]:
    for index, node in enumerate(template.graph.nodes):
        axis = template.axes[index]
        if not axis.widths:
            continue
        if node.type == "activation" and not _keeps_zero(node):
            raise SpaceError(
                f"{node.name}: {node.function} of zero is not zero, so a closed channel would "
                "still reach its consumers"
            )
        if node.weighted:
            linear = node.type == "linear" and not node.norms
            yield GatePosition(
                node.norms[-1] if node.norms else node.module, axis, -1 if linear else 1
            )
        elif node.type == "batch_norm":
            yield GatePosition(node.module, axis, 1)


def _keeps_zero(node: Node) -> bool:
    if node.function == "clip":
        bounds = dict(node.attributes)
        return float(str(bounds.get("min", 0))) <= 0 <= float(str(bounds.get("max", 0)))
    return node.function not in _NOT_ZERO_AT_ZERO
