"""The layers that compute the channels of a width, and where gates can close them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from lpnet.pruning.channels.roles import roles
from lpnet.pruning.channels.units import positions_of
from lpnet.space.axis import Axis, Width
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

    def weight(self, model: nn.Module) -> Tensor:
        weight = model.get_submodule(self.module).weight
        assert isinstance(weight, Tensor)
        return weight

    def filters(self, model: nn.Module, width: Width) -> Tensor:
        """The weights of each unit, flattened: (units, values)."""
        rows = self.weight(model)[self.start : self.start + self.count * self.inner]
        weights = rows.reshape(self.count, -1)
        by_group = weights.reshape(width.granule, -1, weights.shape[1])
        return by_group.transpose(0, 1).flatten(1)


@dataclass(frozen=True, eq=False)
class AxisMember:
    """A weight that produces channels of a width along any axis, at `positions` (units, n)."""

    name: str
    axis: int
    positions: Tensor

    def weight(self, model: nn.Module) -> Tensor:
        path, _, own = self.name.rpartition(".")
        weight = getattr(model.get_submodule(path), own)
        assert isinstance(weight, Tensor)
        return weight

    def filters(self, model: nn.Module, width: Width) -> Tensor:
        """The weights of each unit, flattened: (units, values)."""
        weight = self.weight(model)
        rows = weight.movedim(self.axis, 0)[self.positions.to(weight.device)]
        return rows.flatten(1)


AnyMember = Member | AxisMember


@dataclass(frozen=True)
class GatePosition:
    """A module whose output gates multiply; its channels lie along `axis`, in dimension `dim`."""

    module: str
    axis: Axis
    dim: int


def members(template: Template, model: nn.Module) -> dict[str, Sequence[AnyMember]]:
    """The weights that produce the channels of each width: of convs, depthwise ones too, and of
    linear layers."""
    if template.layout is None:
        return _plain_members(template)
    widths = {width.name: width for width in template.widths}
    return {
        name: tuple(
            AxisMember(weight.name, axis, positions_of(weight.axes[axis], widths[name], widths))
            for weight, axis in computed
        )
        for name, computed in roles(template, model).computed.items()
    }


def _plain_members(template: Template) -> dict[str, Sequence[AnyMember]]:
    by_width: dict[str, list[AnyMember]] = {width.name: [] for width in template.widths}
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


def gate_positions(template: Template) -> tuple[GatePosition, ...] | None:
    """Where gates multiply: after the last BatchNorm of every layer that produces channels.

    There a closed channel is exactly zero for its consumers, while a BatchNorm would turn the zero
    into something else. None for a network of other ops, or with an activation that does so too:
    there gates multiply the weights that read the channels.
    """
    if template.layout is not None or not all(
        _keeps_zero(node)
        for node, axis in zip(template.graph.nodes, template.axes, strict=True)
        if node.type == "activation" and axis.widths
    ):
        return None
    return tuple(_positions(template))


def _positions(template: Template) -> Iterator[GatePosition]:
    for index, node in enumerate(template.graph.nodes):
        axis = template.axes[index]
        if not axis.widths:
            continue
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
