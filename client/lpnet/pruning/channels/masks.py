"""Weights that do not read closed channels: gates multiply them while a model runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lpnet.pruning.channels.roles import roles
from lpnet.pruning.channels.units import unit_count, units_along
from lpnet.space.axis import Axis
from lpnet.space.model_copy import holders, tensor_of
from lpnet.space.parameters import Parameter
from lpnet.space.template import Template

# The gates of all widths, in the order of the space.
Opened = Sequence[Tensor]
_Owner = tuple[nn.Module, str]


class Masks:
    """Attached to a model, they put masked weights in the place of those which read channels.

    That is right behind any op. Where something else than a weight reads channels of a width, all
    parameters with these channels are masked. Outside of a forward pass the model has its own
    weights.
    """

    def __init__(self, template: Template, model: nn.Module, opened: Callable[[], Opened]) -> None:
        """`opened` returns the gates for the forward pass that runs."""
        self._model, self._opened = model, opened
        self._gates = _Gates()
        self._masks = list(_masks(template, model, self._gates))

    def attach(self) -> Iterator[RemovableHandle]:
        # On every module that holds weights, as a module may run without its model, and runs again
        # in the backward pass of a checkpoint.
        for module in self._model.modules():
            inside = {id(child) for child in module.modules()}
            own = [mask for mask in self._masks if id(mask.module) in inside]
            if own:
                yield module.register_forward_pre_hook(partial(self._enter, own))
                yield module.register_forward_hook(partial(self._leave, own), always_call=True)

    def restore(self) -> None:
        """Put the model's own weights back, after a forward pass that was interrupted."""
        for mask in self._masks:
            mask.restore()

    def _enter(self, own: list[_Mask], *_: object) -> None:
        opened = self._opened()
        for mask in own:
            mask.enter(opened)

    def _leave(self, own: list[_Mask], *_: object) -> None:
        for mask in own:
            mask.leave()


class _Gates:
    """All gates as a vector that starts with a 1, which stands for constant channels."""

    def __init__(self) -> None:
        self._opened: Opened | None = None
        self._vector = torch.ones(1)

    def vector(self, opened: Opened) -> Tensor:
        if opened is not self._opened:
            self._opened = opened
            self._vector = torch.cat([opened[0].new_ones(1), *opened])
        return self._vector


class _Mask:
    """A parameter, the modules that hold it, and the gate of each of its positions.

    Each of `indices` has the shape of the parameter or a side of 1. `owners` are not empty.
    """

    def __init__(self, owners: Sequence[_Owner], indices: list[Tensor], gates: _Gates) -> None:
        self._owners, self._indices, self._gates = tuple(owners), indices, gates
        self._depth = 0
        self._weight: Tensor | None = None
        # What the masked weight was computed from.
        self._source: tuple[int, int] | None = None
        self._opened: Opened | None = None
        self._masked: Tensor | None = None

    @property
    def module(self) -> nn.Module:
        return self._owners[0][0]

    def enter(self, opened: Opened) -> None:
        self._depth += 1
        if self._depth > 1:
            return
        weight = tensor_of(*self._owners[0])
        if not isinstance(weight, nn.Parameter) and self.module.training:
            return  # A BatchNorm updates its statistics in place.
        source = id(weight), weight._version
        if self._masked is None or opened is not self._opened or source != self._source:
            self._source, self._opened = source, opened
            self._masked = self._computed(weight, self._gates.vector(opened))
        self._weight = weight
        self._put(self._masked)

    def leave(self) -> None:
        self._depth -= 1
        if self._depth <= 0:
            self.restore()

    def restore(self) -> None:
        self._depth = 0
        if self._weight is not None:
            self._put(self._weight)
            self._weight = None

    def _computed(self, weight: Tensor, gates: Tensor) -> Tensor:
        masked = weight
        for number, index in enumerate(self._indices):
            if index.device != gates.device:
                self._indices[number] = index = index.to(gates.device)
            masked = masked * gates[index].to(weight)
        return masked

    def _put(self, tensor: Tensor) -> None:
        for module, name in self._owners:
            own = module._parameters if name in module._parameters else module._buffers
            own[name] = tensor  # type: ignore[assignment]


def _masks(template: Template, model: nn.Module, gates: _Gates) -> Iterator[_Mask]:
    weight_roles, owners = roles(template, model), holders(model)
    widths = {width.name: width for width in template.widths}
    first: dict[str, int] = {}
    count = 1
    for width in template.widths:
        first[width.name] = count
        count += unit_count(width)

    def index(axis: Axis, masked: set[str] | frozenset[str]) -> Tensor:
        return torch.tensor(
            [
                0 if unit is None or unit[0] not in masked else first[unit[0]] + unit[1]
                for unit in units_along(axis, widths)
            ]
        )

    shared: set[int] = set()
    for parameter in template.parameters:
        if parameter.name not in owners:
            continue  # a bias or a scale that the model does not have
        tensor = tensor_of(*owners[parameter.name][0])
        reading = weight_roles.read.get(parameter.name, set())
        indices = list(_indices(parameter, reading, weight_roles.unread, index))
        if indices and id(tensor) not in shared:
            shared.add(id(tensor))
            yield _Mask(owners[parameter.name], [i.to(tensor.device) for i in indices], gates)


def _indices(
    parameter: Parameter,
    reading: set[int],
    unread: set[str],
    index: Callable[[Axis, set[str] | frozenset[str]], Tensor],
) -> Iterator[Tensor]:
    """The number of the gate at each position, for each axis that has gates."""
    rank = len(parameter.axes)
    for number, axis in enumerate(parameter.axes):
        masked = axis.widths if number in reading else axis.widths & unread
        if masked:
            shape = [1] * rank
            shape[number] = -1
            yield index(axis, masked).reshape(shape)
    if parameter.reads is not None and parameter.reads.widths:
        by_group = index(parameter.reads, parameter.reads.widths).reshape(parameter.groups, -1)
        rows = by_group.repeat_interleave(parameter.dense[0] // parameter.groups, 0)
        yield rows.reshape(*rows.shape, *[1] * (rank - 2))
