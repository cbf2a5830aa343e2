"""Removing channels from a torch model: every parameter is cut along every axis by index."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from lpnet.errors import SpaceError
from lpnet.space.attributes import set_counts
from lpnet.space.heads import update_heads
from lpnet.space.kept import Atoms, kept_atoms
from lpnet.space.masking import Arguments, attends, difference, masked
from lpnet.space.model_copy import copied, holders, tensor_of
from lpnet.space.module_attributes import update_attributes
from lpnet.space.parameters import Parameter
from lpnet.space.template import Template


def prune(template: Template, model: nn.Module, kept: Mapping[str, Sequence[int]]) -> nn.Module:
    """A copy of a model without the channels that are not kept. The model is not changed.

    Raises SpaceError if the result does not compute what the model computes where nothing reads
    the removed channels.
    """
    atoms = kept_atoms(template.widths, kept)
    pruned = prune_atoms(template, model, atoms)
    _check(template, model, pruned, atoms)
    return pruned


def _check(template: Template, model: nn.Module, pruned: nn.Module, atoms: Atoms) -> None:
    if any(parameter.is_meta for parameter in model.parameters()):
        return
    example: Arguments = (_example(template, model), {})
    try:
        reference = masked(template, model, atoms)
        wrong = difference(copied(pruned), reference, example, exact=attends(template))
    except Exception as error:
        raise SpaceError(f"the pruned model does not run: {str(error)[:500]}") from error
    if wrong is not None:
        raise SpaceError(f"the pruned model computes something else: {wrong}")


def _example(template: Template, model: nn.Module) -> tuple[Tensor, ...]:
    """Random inputs of a model, in its precision and on its device."""
    weight = next((p for p in model.parameters() if p.is_floating_point()), torch.zeros(1))
    generator = torch.Generator().manual_seed(0)
    inputs = []
    for shape, type_ in template.inputs:
        if type_ in ("float", "float16", "bfloat16", "double"):
            inputs.append(torch.randn(shape, generator=generator).to(weight))
        else:
            dtype = getattr(torch, type_, torch.int64)
            inputs.append(torch.zeros(shape, dtype=dtype, device=weight.device))
    return tuple(inputs)


def prune_atoms(template: Template, model: nn.Module, atoms: Atoms) -> nn.Module:
    pruned = copied(model)
    owners = holders(pruned)
    cut: dict[int, Tensor] = {}
    for parameter in template.parameters:
        places = owners.get(parameter.name)
        if places is None:
            _check_optional(template, pruned, parameter)
            continue
        module, name = places[0]
        tensor = tensor_of(module, name)
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
    update_heads(template, pruned, atoms)
    set_counts(template.attributes, model, pruned, atoms)
    return pruned


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
    last = tensor.ndim == 4 and not tensor.is_contiguous()
    last = last and tensor.is_contiguous(memory_format=torch.channels_last)
    # Selecting by index loses the layout in memory.
    data = data.clone(memory_format=torch.channels_last if last else torch.preserve_format)
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
