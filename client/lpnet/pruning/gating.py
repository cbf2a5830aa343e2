"""Gates on a model: which channels are open, and closing the others by hooks."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from lpnet.pruning.filters import largest, per_channel
from lpnet.pruning.gates import Gates
from lpnet.pruning.members import Place, members, places
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
        # What a forward pass opened, until a backward pass frees its graph or weights change.
        self._reusable: list[Tensor] | None = None
        self._versions: list[tuple[int, int]] = []
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
        forward pass opened are counted where its graph still stands, else they are opened anew."""
        opened, self._reusable = self._reusable, None
        if opened is None or self._weights() != self._versions or not torch.is_grad_enabled():
            return self._counts(self._open())
        return self._counts(opened)

    def hold(self, widths: Mapping[str, int]) -> None:
        """Fix the gates: of each width so many channels, those with the highest scores."""
        counts = self.space.vector(widths).tolist()
        with torch.no_grad():
            self._held = [
                largest(gate.width, gate.scores(self.model), count)
                for gate, count in zip(self._each(), counts, strict=True)
            ]
        self._opened = self._reusable = None

    def release(self) -> None:
        """The gates are those of the weights again."""
        self._held = self._opened = self._reusable = None

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
        return [gate.open(gate.scores(self.model)) for gate in self._each()]

    def _counts(self, opened: list[Tensor]) -> Tensor:
        pairs = zip(self._each(), opened, strict=True)
        return torch.stack([gate.width.granule * found.sum() for gate, found in pairs])

    def _begin(self, *_: object) -> None:
        """A forward pass of the model begins."""
        self._opened = self._open()
        self._reusable = None
        if self._held is None and torch.is_grad_enabled():
            self._reusable, self._versions = self._opened, self._weights()
            for opened in self._opened:
                if opened.requires_grad:
                    opened.register_hook(self._freed)  # type: ignore[no-untyped-call]

    def _freed(self, _gradient: Tensor) -> None:
        """A backward pass has come through the gates."""
        self._reusable = None

    def _weights(self) -> list[tuple[int, int]]:
        """Which weights open the gates, and how often each was changed in place."""
        found = [weight for gate in self._each() for weight in gate.weights(self.model)]
        return [(id(weight), weight._version) for weight in found]

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
