"""Gates on a model: which channels are open; hooks close the others."""

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
from lpnet.pruning.channels.layers import GatePosition, gate_positions, members
from lpnet.pruning.channels.masks import Masks
from lpnet.space.space import Space


class Gating(nn.Module):
    """Gates on every width of a space, attached to a model by hooks.

    Before every forward pass of the model its weights decide which gates are open. Nothing reads a
    closed channel: it is zero for all its consumers, or the weights that read it are. After `hold`
    the gates are fixed.
    """

    def __init__(self, model: nn.Module, space: Space) -> None:
        super().__init__()
        self.space = space
        # In a tuple, so that its parameters are not registered here.
        self._model = (model,)
        positions = gate_positions(space.template)
        self._positions = positions or ()
        self._masks = None
        if positions is None:
            self._masks = Masks(space.template, model, self._current)
        layers = members(space.template, model)
        self.gates = nn.ModuleList(
            Gates(width, layers[width.name], model) for width in space.widths
        )
        self._index = {width.name: index for index, width in enumerate(space.widths)}
        self._opened: list[Tensor] | None = None
        # The versions of the weights that opened them with a graph; None without one.
        self._opened_by: list[tuple[int, int]] | None = None
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
        """Open channels (L,), differentiable in gate layers and filters.

        Counts the gates of the last forward pass, unless weights have changed since.
        """
        current = torch.is_grad_enabled() and self._weights() == self._opened_by
        return self._counts(self._opened if current and self._opened else self._open())

    def hold(self, widths: Mapping[str, int]) -> None:
        """Fix the gates. Each width keeps the given number of channels, those with the highest
        scores."""
        counts = self.space.vector(widths).tolist()
        with torch.no_grad():
            self._held = [
                largest(gate.width, gate.scores(self.model), count)
                for gate, count in zip(self._width_gates(), counts, strict=True)
            ]
        self._opened = self._opened_by = None

    def release(self) -> None:
        self._held = self._opened = self._opened_by = None

    @property
    def held(self) -> bool:
        return self._held is not None

    def kept(self) -> dict[str, list[int]]:
        with torch.no_grad():
            return {
                gate.width.name: per_channel(gate.width, opened).nonzero().flatten().tolist()
                for gate, opened in zip(self._width_gates(), self._open(), strict=True)
            }

    def attach(self) -> None:
        self.remove()
        self._handles.append(self.model.register_forward_pre_hook(self._begin))
        if self._masks is not None:
            self._handles += self._masks.attach()
        for position in self._positions:
            module = self.model.get_submodule(position.module)
            hook = partial(self._multiply, position)
            self._handles.append(module.register_forward_hook(hook))

    @property
    def attached(self) -> bool:
        return bool(self._handles)

    def remove(self) -> None:
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        if self._masks is not None:
            self._masks.restore()

    def _width_gates(self) -> list[Gates]:
        return [gate for gate in self.gates if isinstance(gate, Gates)]

    def _open(self) -> list[Tensor]:
        if self._held is not None:
            return self._held
        opened = [gate.open(gate.scores(self.model)) for gate in self._width_gates()]
        return _GateFunction.of(opened, self._inputs()) if torch.is_grad_enabled() else opened

    def _counts(self, opened: list[Tensor]) -> Tensor:
        pairs = zip(self._width_gates(), opened, strict=True)
        return torch.stack([gate.width.granule * gates.float().sum() for gate, gates in pairs])

    def _begin(self, *_: object) -> None:
        if self._masks is not None:
            self._masks.restore()
        self._opened = self._open()
        self._opened_by = self._weights() if torch.is_grad_enabled() and not self.held else None

    def _current(self) -> list[Tensor]:
        if self._opened is None:  # a module runs without its model
            self._opened = self._open()
        return self._opened

    def _inputs(self) -> list[Tensor]:
        return [weight for gate in self._width_gates() for weight in gate.weights(self.model)]

    def _weights(self) -> list[tuple[int, int]]:
        """The identity of each weight, and how often it was changed in place."""
        return [(id(weight), weight._version) for weight in self._inputs()]

    def _multiply(
        self, position: GatePosition, _module: nn.Module, _inputs: Any, output: Tensor
    ) -> Tensor:
        opened, parts = self._current(), []
        for segment in position.axis.segments:
            if segment.width is None:
                parts.append(output.new_ones(segment.size * segment.inner))
            else:
                index = self._index[segment.width]
                factor = per_channel(self.space.widths[index], opened[index])
                parts.append(factor.to(output.dtype).repeat_interleave(segment.inner))
        factors = torch.cat(parts)
        if position.dim == 1 and output.dim() > 2:
            factors = factors.reshape(-1, *[1] * (output.dim() - 2))
        return output * factors


class _GateFunction(torch.autograd.Function):
    """All gates as one node of the graph that keeps its own graph.

    So a task's loss and a latency term can share it and run backward one after the other. It has
    no second derivatives.
    """

    @staticmethod
    def of(opened: list[Tensor], weights: list[Tensor]) -> list[Tensor]:
        if not any(gates.requires_grad for gates in opened):
            return opened
        return list(_GateFunction.apply(opened, *weights))  # type: ignore[no-untyped-call]

    @staticmethod
    def forward(ctx: Any, opened: list[Tensor], *weights: Tensor) -> tuple[Tensor, ...]:
        ctx.opened, ctx.weights = opened, weights
        return tuple(gates.detach() for gates in opened)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor | None, ...]:
        pairs = [p for p in zip(ctx.opened, slopes, strict=True) if p[0].requires_grad]
        trained = [i for i, weight in enumerate(ctx.weights) if weight.requires_grad]
        gradients = torch.autograd.grad(
            [gates for gates, _ in pairs],
            [ctx.weights[i] for i in trained],
            [slope for _, slope in pairs],
            retain_graph=True,
            allow_unused=True,
        )
        by_index = dict(zip(trained, gradients, strict=True))
        return (None, *(by_index.get(i) for i in range(len(ctx.weights))))
