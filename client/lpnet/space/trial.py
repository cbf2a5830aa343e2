"""Trying widths: the module's own forward pass runs with channels cut.

It finds what the graph cannot show: sizes written in a forward pass, comparisons of shapes, and
heads that only a training pass calls. Tensors without data show what does not run; then numbers
show what computes something else.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lpnet.space.attribute_roles import Choices, Roles
from lpnet.space.attribute_search import failing_widths, search
from lpnet.space.attributes import Attribute, check_copies
from lpnet.space.axis import Width
from lpnet.space.kept import Atoms
from lpnet.space.masking import attends, difference, masked, outputs
from lpnet.space.model_copy import copied, kept_tensors
from lpnet.space.onnx_reader.tensors import TensorAxes
from lpnet.space.prune import prune_atoms
from lpnet.space.template import Template
from lpnet.space.trace import Example, arguments, hidden_output

_BATCH = 2
# Of two or three units, widths lose one or two.
_FEW = 3


class Trial:
    """Runs copies of a model of which widths are cut. The model itself is not run."""

    def __init__(self, model: nn.Module, example_input: Example) -> None:
        self._dense = model
        self.choices: Choices = {}
        self.attributes: tuple[Attribute, ...] = ()
        self._meta = on_meta(model)
        args, kwargs = arguments(example_input)
        tensors = [*args, *kwargs.values()]
        sides = {tensor.shape[0] if tensor.ndim else None for tensor in tensors}
        batch = _BATCH if len(sides) == 1 and None not in sides else None
        self._meta_args = tuple(_empty(tensor, batch) for tensor in args)
        self._meta_kwargs = {name: _empty(tensor, batch) for name, tensor in kwargs.items()}
        self._modes = [mode for mode in (False, True) if not self._error(self._meta, mode)]
        generator = torch.Generator().manual_seed(0)
        self._model = randomised(model, generator)
        self._arguments = (
            tuple(_varied(tensor, generator) for tensor in args),
            {name: _varied(tensor, generator) for name, tensor in kwargs.items()},
        )
        self._runs = outputs(copied(self._model), self._arguments) is not None

    def failing(self, template: Template, axes: TensorAxes) -> dict[str, str]:
        """The widths that cannot be cut, with what happens if they are.

        `axes` are those of the graph. `attributes` become the numbers of modules that must follow
        the other widths.
        """
        widths = [width for width in template.widths if units(width) > 1]
        roles, choices = Roles(self._dense, axes), self.choices
        failing: dict[str, str] = {}
        if self._modes:
            failing = failing_widths(self._cut_error, template, widths, roles, choices)
        if not failing and self._runs:
            failing = failing_widths(self._error_or_wrong, template, widths, roles, choices)
        self.attributes = roles.attributes(choices)
        return failing or self._together(replace(template, attributes=self.attributes), widths)

    def _together(self, template: Template, widths: Sequence[Width]) -> dict[str, str]:
        """Widths of so few units that they may have lost equally many of them, by chance what a
        number needs which they share: they are cut in turns."""
        few = [width for width in widths if units(width) <= _FEW]
        for part in (few[::2], few[1::2]) if self._modes else ():
            error = self._cut_error(template, part) if part else None
            if error is not None:
                return search(lambda cut: self._cut_error(template, cut), part)
        return {}

    def _error_or_wrong(self, template: Template, widths: Sequence[Width]) -> str | None:
        error = self._cut_error(template, widths) if self._modes else None
        return self._wrong(template, widths) if error is None else error

    def _cut_error(self, template: Template, widths: Sequence[Width]) -> str | None:
        """Without data: widths with equally many units lose different numbers of them."""
        atoms = {width.name: list(range(width.atoms)) for width in template.widths}
        ranks = _ranks(template.widths)
        for width in widths:
            atoms[width.name] = _without_last(width, ranks[width.name])
        try:
            pruned = prune_atoms(template, self._meta, atoms)
            check_copies(template.attributes, pruned)
        except Exception as error:
            return _first_line(error)
        errors = (self._error(pruned, mode) for mode in self._modes)
        return next((error for error in errors if error is not None), None)

    def _wrong(self, template: Template, widths: Sequence[Width]) -> str | None:
        """With numbers: the widths keep about half of their channels."""
        rng, ranks = np.random.default_rng(len(widths)), _ranks(template.widths)
        atoms: Atoms = {width.name: list(range(width.atoms)) for width in template.widths}
        for width in widths:
            atoms[width.name] = _some(width, ranks[width.name], rng)
        try:
            pruned = prune_atoms(template, self._model, atoms)
            check_copies(template.attributes, pruned)
            reference = masked(template, self._model, atoms)
            exact = attends(template)
            return difference(pruned, reference, self._arguments, exact=exact)
        except Exception as error:
            return _first_line(error)

    def _error(self, model: nn.Module, training: bool) -> str | None:
        model.train(training)
        try:
            with hidden_output(), torch.no_grad():
                model(*self._meta_args, **self._meta_kwargs)
        except Exception as error:
            return _first_line(error)
        return None


def units(width: Width) -> int:
    """What can be removed one by one: atoms, or channels of all groups of a grouped conv."""
    return width.max // width.granule


def _ranks(widths: Sequence[Width]) -> dict[str, int]:
    """The position of each width among those of its number of units."""
    counts: Counter[int] = Counter()
    ranks = {}
    for width in widths:
        ranks[width.name] = counts[units(width)]
        counts[units(width)] += 1
    return ranks


def _without_last(width: Width, rank: int) -> list[int]:
    size = units(width)
    return _of_units(width, range(size - 1 - rank % (size - 1)))


def _some(width: Width, rank: int, rng: np.random.Generator) -> list[int]:
    size = units(width)
    count = 1 + (size // 2 - 1 + rank) % (size - 1)
    return _of_units(width, sorted(rng.choice(size, count, replace=False).tolist()))


def _of_units(width: Width, chosen: Sequence[int]) -> list[int]:
    if width.layout or width.granule == 1:
        return list(chosen)
    size = units(width)
    return [group * size + unit for group in range(width.granule) for unit in chosen]


def on_meta(model: nn.Module) -> nn.Module:
    """A copy of a model whose parameters, buffers and other tensors hold no data."""
    memo: dict[int, Any] = {
        id(tensor): tensor.detach().to("meta") for tensor in kept_tensors(model)
    }
    for module in model.modules():
        for parameter in module._parameters.values():
            if parameter is not None and id(parameter) not in memo:
                memo[id(parameter)] = nn.Parameter(
                    parameter.detach().to("meta"), requires_grad=parameter.requires_grad
                )
        for buffer in module._buffers.values():
            if buffer is not None and id(buffer) not in memo:
                memo[id(buffer)] = buffer.detach().to("meta")
    return copy.deepcopy(model, memo)


def randomised(model: nn.Module, generator: torch.Generator) -> nn.Module:
    """A copy of a model in which no branch is silent: scales and shifts, which may be 0 in a new
    model, are drawn."""
    result = copied(model)
    with torch.no_grad():
        for tensor in (*result.parameters(), *result.buffers()):
            if tensor.is_floating_point() and tensor.ndim <= 1 and tensor.numel() > 1:
                drawn = torch.rand(tensor.shape, generator=generator) + 0.5
                tensor.copy_(drawn.to(tensor.dtype))
            elif (
                tensor.is_floating_point() and tensor.numel() > 1 and tensor.max() == tensor.min()
            ):
                drawn = torch.randn(tensor.shape, generator=generator) * 0.1
                tensor.copy_(drawn.to(tensor.dtype))
    return result


def _empty(tensor: Tensor, batch: int | None) -> Tensor:
    shape = tensor.shape if batch is None else (batch, *tensor.shape[1:])
    return torch.empty(shape, dtype=tensor.dtype, device="meta")


def _varied(tensor: Tensor, generator: torch.Generator) -> Tensor:
    if tensor.is_floating_point() and tensor.numel() > 1 and tensor.max() == tensor.min():
        return torch.randn(tensor.shape, generator=generator).to(tensor.dtype)
    return tensor


def _first_line(error: Exception) -> str:
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:300]}" if text else type(error).__name__
