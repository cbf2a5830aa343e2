"""What a pruning removes, judged by the numbers in a module and not by lpnet's own indices."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lpnet.space.space import Space

Kept = dict[str, list[int]]


def random_channels(space: Space, seed: int) -> Kept:
    """Some atoms of each width, at least one."""
    rng = np.random.default_rng(seed)
    kept = {}
    for width in space.widths:
        atoms = space.atoms(width.name)
        count = int(rng.integers(1, len(atoms) + 1))
        chosen = rng.permutation(len(atoms))[:count]
        kept[width.name] = sorted(channel for atom in chosen for channel in atoms[atom])
    return kept


def masked(space: Space, model: nn.Module, kept: Mapping[str, Sequence[int]]) -> nn.Module:
    """A copy of a model with zeros where a pruning removes numbers.

    Each number of a second copy is its own position, so that what survives tells where it was.
    """
    numbered = copy.deepcopy(model).double()
    tensors = {**dict(numbered.named_parameters()), **dict(numbered.named_buffers())}
    with torch.no_grad():
        for tensor in tensors.values():
            if tensor.is_floating_point():
                tensor.copy_(torch.arange(tensor.numel()).view(tensor.shape))
    survivors = space.prune(numbered, kept).state_dict()
    result = copy.deepcopy(model)
    with torch.no_grad():
        for name, tensor in result.state_dict().items():
            if tensor.is_floating_point():
                mask = torch.zeros(tensor.numel(), dtype=tensor.dtype)
                mask[survivors[name].reshape(-1).long()] = 1
                tensor.mul_(mask.view(tensor.shape))
    return result


def call(model: nn.Module, example: Any) -> list[Tensor]:
    """All output tensors, without gradients."""
    with torch.no_grad():
        if isinstance(example, Mapping):
            return [*_leaves(model(**example))]
        args = (example,) if isinstance(example, Tensor) else example
        return [*_leaves(model(*args))]


def _leaves(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    items = value.values() if isinstance(value, Mapping) else value
    return [leaf for item in items for leaf in _leaves(item)]


def mapped(example: Any, function: Any) -> Any:
    """An example with a function applied to its tensors."""
    if isinstance(example, Tensor):
        return function(example)
    if isinstance(example, Mapping):
        return {name: function(tensor) for name, tensor in example.items()}
    return tuple(function(tensor) for tensor in example)


def in_double(example: Any) -> Any:
    return mapped(example, lambda t: t.double() if t.is_floating_point() else t)


def of_batch(example: Any, size: int) -> Any:
    """The first input of an example, repeated."""
    return mapped(example, lambda t: t[:1].expand(size, *t.shape[1:]).contiguous())


def listed(example: Any) -> list[Tensor]:
    return [example] if isinstance(example, Tensor) else [*_leaves(example)]
