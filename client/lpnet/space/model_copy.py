"""Copies of a torch model, and where its tensors are."""

from __future__ import annotations

import copy
from typing import Any

from torch import Tensor, nn

from lpnet.errors import SpaceError


def copied(model: nn.Module) -> nn.Module:
    """A deep copy. Tensors that a forward pass has left on modules are not copied.

    Raises SpaceError, naming the module and the attribute, for one that cannot be copied.
    """
    memo: dict[int, Any] = {}
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, Tensor) and not value.is_leaf:
                memo[id(value)] = value.detach()
    try:
        return copy.deepcopy(model, memo)
    except Exception as error:
        raise SpaceError(f"the model cannot be copied: {_culprit(model)}{error!s:.500}") from error


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
