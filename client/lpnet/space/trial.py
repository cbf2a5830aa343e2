"""Trying widths: the module's own forward pass runs with channels cut, on tensors without data.

It finds what the graph cannot show: sizes written in a forward pass, comparisons of shapes, and
heads that only a training pass calls.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lpnet.space.axis import Width
from lpnet.space.kept import atom_channels
from lpnet.space.prune import prune
from lpnet.space.template import Template
from lpnet.space.trace import Example, arguments, hidden_output

_BATCH = 2


class Trial:
    """Runs a model of which each width can be cut by a granule, in evaluation and training mode.

    The model itself is not run.
    """

    def __init__(self, model: nn.Module, example_input: Example) -> None:
        self._model = on_meta(model)
        args, kwargs = arguments(example_input)
        tensors = [*args, *kwargs.values()]
        sides = {tensor.shape[0] if tensor.ndim else None for tensor in tensors}
        batch = _BATCH if len(sides) == 1 and None not in sides else None
        self._args = tuple(_input(tensor, batch) for tensor in args)
        self._kwargs = {name: _input(tensor, batch) for name, tensor in kwargs.items()}
        self._modes = [mode for mode in (False, True) if not self._error(self._model, mode)]

    def failing(self, template: Template) -> dict[str, str]:
        """The widths that cannot be cut, with the first line of the error that this raises."""
        widths = [width for width in template.widths if len(atom_channels(width)) > 1]
        return self._failing(template, widths) if self._modes else {}

    def _failing(self, template: Template, widths: Sequence[Width]) -> dict[str, str]:
        error = self._cut_error(template, widths)
        if error is None:
            return {}
        if len(widths) == 1:
            return {widths[0].name: error}
        middle = len(widths) // 2
        found = self._failing(template, widths[:middle])
        found |= self._failing(template, widths[middle:])
        if not found:
            # Only together do they fail.
            found = {widths[-1].name: error}
        return found

    def _cut_error(self, template: Template, widths: Sequence[Width]) -> str | None:
        if not widths:
            return None
        kept = {}
        for width in widths:
            kept[width.name] = [c for atom in atom_channels(width)[:-1] for c in atom]
        try:
            pruned = prune(template, self._model, kept)
        except Exception as error:
            return _first_line(error)
        errors = (self._error(pruned, mode) for mode in self._modes)
        return next((error for error in errors if error is not None), None)

    def _error(self, model: nn.Module, training: bool) -> str | None:
        model.train(training)
        try:
            with hidden_output(), torch.no_grad():
                model(*self._args, **self._kwargs)
        except Exception as error:
            return _first_line(error)
        return None


def on_meta(model: nn.Module) -> nn.Module:
    """A copy of a model whose parameters, buffers and other tensors hold no data."""
    memo: dict[int, Any] = {}
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, Tensor):
                memo[id(value)] = value.detach().to("meta")
        for parameter in module._parameters.values():
            if parameter is not None and id(parameter) not in memo:
                memo[id(parameter)] = nn.Parameter(
                    parameter.detach().to("meta"), requires_grad=parameter.requires_grad
                )
        for buffer in module._buffers.values():
            if buffer is not None and id(buffer) not in memo:
                memo[id(buffer)] = buffer.detach().to("meta")
    return copy.deepcopy(model, memo)


def _input(tensor: Tensor, batch: int | None) -> Tensor:
    shape = tensor.shape if batch is None else (batch, *tensor.shape[1:])
    return torch.empty(shape, dtype=tensor.dtype, device="meta")


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:300]}" if text else type(error).__name__
