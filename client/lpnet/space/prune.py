"""Removing channels from a torch model: every parameter is cut along every axis by index."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from lpnet.errors import SpaceError
from lpnet.space.kept import Atoms, kept_atoms
from lpnet.space.module_attributes import update_attributes
from lpnet.space.parameters import Parameter
from lpnet.space.template import Template


def prune(template: Template, model: nn.Module, kept: Mapping[str, Sequence[int]]) -> nn.Module:
    """A copy of a model without the channels that are not kept. The model is not changed."""
    atoms = kept_atoms(template.widths, kept)
    pruned = copied(model)
    owners = _owners(pruned)
    cut: dict[int, Tensor] = {}
    for parameter in template.parameters:
        places = owners.get(parameter.name)
        if places is None:
            _check_optional(template, pruned, parameter)
            continue
        module, name = places[0]
        tensor = _tensor(module, name)
        if tuple(tensor.shape) != parameter.dense:
            raise SpaceError(
                f"{parameter.name} has shape {[*tensor.shape]}, but the space has "
                f"{[*parameter.dense]}"
            )
        if id(tensor) not in cut:
            cut[id(tensor)] = _cut(tensor, parameter, atoms)
        for owner, own_name in places:
            _replace(owner, own_name, cut[id(tensor)])
    update_attributes(model, pruned)
    return pruned


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


_Owners = dict[str, list[tuple[nn.Module, str]]]


def _owners(model: nn.Module) -> _Owners:
    """The modules that hold each tensor, and its name there, by all names that it has."""
    names: dict[str, tuple[nn.Module, str]] = {}
    for path, module in model.named_modules(remove_duplicate=False):
        for name, tensor in (*module._parameters.items(), *module._buffers.items()):
            if tensor is not None:
                names[f"{path}.{name}" if path else name] = (module, name)
    by_tensor: dict[int, list[tuple[nn.Module, str]]] = {}
    for module, name in names.values():
        holders = by_tensor.setdefault(id(_tensor(module, name)), [])
        if not any(holder is module and own == name for holder, own in holders):
            holders.append((module, name))
    return {full: by_tensor[id(_tensor(*owner))] for full, owner in names.items()}


def _tensor(module: nn.Module, name: str) -> Tensor:
    tensor = getattr(module, name)
    assert isinstance(tensor, Tensor)
    return tensor


def _check_optional(template: Template, model: nn.Module, parameter: Parameter) -> None:
    """A bias, or the scale of a norm, may be missing; a weight may not."""
    path, _, name = parameter.name.rpartition(".")
    try:
        module = model.get_submodule(path)
    except AttributeError as error:
        raise SpaceError(f"the model has no module {path!r}") from error
    optional = name in module._parameters or name in module._buffers
    if template.layout is not None or not optional:
        raise SpaceError(f"the model has no parameter {parameter.name!r}")


def _cut(tensor: Tensor, parameter: Parameter, atoms: Atoms) -> Tensor:
    by_group = parameter.kept_by_group(atoms)
    data = tensor.detach()
    if by_group is not None:
        data = _cut_groups(data, parameter, atoms, by_group)
    else:
        for axis, indices in enumerate(parameter.kept(atoms)):
            if indices is not None and len(indices) < data.shape[axis]:
                chosen = torch.tensor(indices, dtype=torch.long, device=data.device)
                data = data.index_select(axis, chosen)
    data = data.clone(memory_format=torch.preserve_format)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(data, requires_grad=tensor.requires_grad)
    return data


def _cut_groups(
    data: Tensor, parameter: Parameter, atoms: Atoms, by_group: list[list[int]]
) -> Tensor:
    # Each group keeps channels of its own.
    rows, size = parameter.axes[0].kept(atoms), parameter.axes[0].dense // parameter.groups
    parts = [
        data[[row for row in rows if row // size == group]][:, columns]
        for group, columns in enumerate(by_group)
    ]
    return torch.cat(parts)


def _replace(module: nn.Module, name: str, tensor: Tensor) -> None:
    if name in module._parameters:
        module._parameters[name] = tensor  # type: ignore[assignment]
    else:
        module._buffers[name] = tensor
