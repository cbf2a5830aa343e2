"""Gates on a model: which channels are open, and closing the others by hooks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.utils.hooks import RemovableHandle

from lpnet.pruning.channels.filters import largest, per_channel
from lpnet.pruning.channels.gates import Gates
from lpnet.pruning.channels.members import Place, members, places
from lpnet.space.space import Space


class Gating(nn.Module):
    """Gates on every width of a space, attached to a model; its class is untouched.

    Before every forward pass of the model its gates are opened and closed by its weights; then a
    closed channel is zero wherever it is read. Once `hold` was called they are fixed. Raises
    SpaceError where a closed channel would not be zero for its consumers.
    """

    def __init__(self, model: nn.Module, space: Space) -> None:
        super().__init__()
        self.space = space
        # In a tuple: its parameters are not ours.
        self._model = (model,)
        self._places = places(space.template)
        given = members(space.template)
        self.gates = nn.ModuleList(
            Gates(width, given[width.name], model) for width in space.widths
        )
        self._order = {width.name: place for place, width in enumerate(space.widths)}
        self._opened: list[Tensor] | None = None
        # The weights that opened them with a graph; None without one.
        self._of: list[tuple[int, int]] | None = None
        self._held: list[Tensor] | None = None
        self._handles: list[RemovableHandle] = []
        self.attach()

    @property
    def model(self) -> nn.Module:
        return self._model[0]

    def widths(self) -> Tensor:
        """Open channels (L,) as the next forward pass will have them, without a gradient."""
        with torch.no_grad():
            return self._counts(self._open())

    def soft_widths(self) -> Tensor:
        """The same (L,), differentiable in gate layers and filters. The gates that the last
        forward pass opened are counted, unless weights have changed since."""
        stands = torch.is_grad_enabled() and self._weights() == self._of
        return self._counts(self._opened if stands and self._opened else self._open())

    def hold(self, widths: Mapping[str, int]) -> None:
        """Fix the gates: of each width so many channels, those with the highest scores."""
        counts = self.space.vector(widths).tolist()
        with torch.no_grad():
            self._held = [
                largest(gate.width, gate.scores(self.model), count)
                for gate, count in zip(self._each(), counts, strict=True)
            ]
        self._opened = self._of = None

    def release(self) -> None:
        """The gates are those of the weights again."""
        self._held = self._opened = self._of = None

    @property
    def held(self) -> bool:
        return self._held is not None

    def kept(self) -> dict[str, list[int]]:
        """The open channels of every width, ascending."""
        with torch.no_grad():
            return {
                gate.width.name: per_channel(gate.width, opened).nonzero().flatten().tolist()
                for gate, opened in zip(self._each(), self._open(), strict=True)
            }

    def attach(self) -> None:
        """Put the hooks on the model, once."""
        self.remove()
        self._handles.append(self.model.register_forward_pre_hook(self._begin))
        for place in self._places:
            module = self.model.get_submodule(place.module)
            self._handles.append(module.register_forward_hook(partial(self._multiply, place)))

    @property
    def attached(self) -> bool:
        return bool(self._handles)

    def remove(self) -> None:
        """Take the hooks off the model: it is as it was, with the weights it has now."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()

    def _each(self) -> list[Gates]:
        return [gate for gate in self.gates if isinstance(gate, Gates)]

    def _open(self) -> list[Tensor]:
        if self._held is not None:
            return self._held
        opened = [gate.open(gate.scores(self.model)) for gate in self._each()]
        return _Node.of(opened, self._inputs()) if torch.is_grad_enabled() else opened

    def _counts(self, opened: list[Tensor]) -> Tensor:
        pairs = zip(self._each(), opened, strict=True)
        return torch.stack([gate.width.granule * found.float().sum() for gate, found in pairs])

    def _begin(self, *_: object) -> None:
        """A forward pass of the model begins."""
        self._opened = self._open()
        self._of = self._weights() if torch.is_grad_enabled() and not self.held else None

    def _inputs(self) -> list[Tensor]:
        """All weights that open gates."""
        return [weight for gate in self._each() for weight in gate.weights(self.model)]

    def _weights(self) -> list[tuple[int, int]]:
        """Which they are, and how often each was changed in place."""
        return [(id(weight), weight._version) for weight in self._inputs()]

    def _multiply(self, place: Place, _module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        if self._opened is None:  # the module is run by itself
            self._opened = self._open()
        parts = []
        for segment in place.axis.segments:
            if segment.width is None:
                parts.append(output.new_ones(segment.size * segment.inner))
            else:
                index = self._order[segment.width]
                factor = per_channel(self.space.widths[index], self._opened[index])
                parts.append(factor.to(output.dtype).repeat_interleave(segment.inner))
        factors = torch.cat(parts)
        if place.dim == 1 and output.dim() > 2:
            factors = factors.reshape(-1, *[1] * (output.dim() - 2))
        return output * factors


class _Node(torch.autograd.Function):
    """All gates as one node of the graph, whose own graph stays: a task's loss and a latency term
    may share it, and go backwards one after the other. Second derivatives there are none."""

    @staticmethod
    def of(opened: list[Tensor], weights: list[Tensor]) -> list[Tensor]:
        """The gates opened by these weights, as outputs of a node that has the weights as its
        inputs."""
        if not any(gates.requires_grad for gates in opened):
            return opened
        return list(_Node.apply(opened, *weights))  # type: ignore[no-untyped-call]

    @staticmethod
    def forward(ctx: Any, opened: list[Tensor], *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.opened, ctx.weights = opened, weights
        return tuple(gates.detach() for gates in opened)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        pairs = [p for p in zip(ctx.opened, slopes, strict=True) if p[0].requires_grad]
        asked = [place for place, weight in enumerate(ctx.weights) if weight.requires_grad]
        found = torch.autograd.grad(
            [gates for gates, _ in pairs],
            [ctx.weights[place] for place in asked],
            [slope for _, slope in pairs],
            retain_graph=True,
            allow_unused=True,
        )
        given = dict(zip(asked, found, strict=True))
        return (None, *(given.get(place) for place in range(len(ctx.weights))))
