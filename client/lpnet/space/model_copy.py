"""Copies of a torch model, and where its tensors are."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from lpnet.errors import SpaceError


def copied(model: nn.Module) -> nn.Module:
    """A deep copy. Tensors that a forward pass has left on modules are not copied. What modules
    drop when their mode is set, such as caches of evaluation, is dropped.

    Raises SpaceError, naming the module and the attribute, for one that cannot be copied.
    """
    memo: dict[int, Any] = {
        id(tensor): tensor.detach() for tensor in kept_tensors(model) if not tensor.is_leaf
    }
    try:
        result = copy.deepcopy(model, memo)
    except Exception as error:
        raise SpaceError(f"the model cannot be copied: {_culprit(model)}{error!s:.500}") from error
    modes = [(module, module.training) for module in result.modules()]
    result.train(True)
    result.train(model.training)
    for module, training in modes:
        module.training = training
    return result


def kept_tensors(model: nn.Module) -> Iterator[Tensor]:
    """Tensors that are attributes of modules, or in containers that are, but no parameters."""
    for module in model.modules():
        for name, value in vars(module).items():
            if name not in ("_modules", "_parameters", "_buffers"):
                yield from (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))


def _culprit(model: nn.Module) -> str:
    for path, module in model.named_modules():
        for name, value in vars(module).items():
            if name in ("_modules", "_parameters", "_buffers"):
                continue
            try:
                copy.deepcopy(value)
            except Exception:
                return f"attribute {name!r} of {path or 'the model'}: "
    return ""


Holders = dict[str, list[tuple[nn.Module, str]]]


def holders(model: nn.Module) -> Holders:
    """The modules that hold each tensor, and its name there, by all names that it has."""
    names: dict[str, tuple[nn.Module, str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                names[f"{path}.{name}" if path else name] = (module, name)
    by_tensor: dict[int, list[tuple[nn.Module, str]]] = {}
    for module, name in names.values():
        owners = by_tensor.setdefault(id(tensor_of(module, name)), [])
        if not any(owner is module and own == name for owner, own in owners):
            owners.append((module, name))
    return {full: by_tensor[id(tensor_of(*owner))] for full, owner in names.items()}


def tensor_of(module: nn.Module, name: str) -> Tensor:
    tensor = getattr(module, name)
    assert isinstance(tensor, Tensor)
    return tensor
