"""Comparing a pruned module with the dense one in which nothing reads the removed channels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lpnet.space.model_copy import copied, holders
from lpnet.space.parameters import Atoms, Parameter
from lpnet.space.template import Template
from lpnet.space.trace import hidden_output

# Relative to the largest output. Sums run in another order where channels are missing.
_TOLERANCE = 2e-3
# In double precision, of a forward pass that may compute parts in single precision.
_EXACT = 1e-5
Arguments = tuple[tuple[Tensor, ...], dict[str, Tensor]]


def masked(template: Template, model: nn.Module, atoms: Atoms) -> nn.Module:
    """A copy of a model with zeros where parameters are removed: nothing reads these channels."""
    result = copied(model)
    owners = holders(result)
    with torch.no_grad():
        for parameter in template.parameters:
            if parameter.name in owners:
                module, name = owners[parameter.name][0]
                _zero(getattr(module, name), parameter, atoms)
    return result


def _zero(tensor: Tensor, parameter: Parameter, atoms: Atoms) -> None:
    kept = parameter.kept(atoms)
    by_group = parameter.kept_by_group(atoms)
    for axis, indices in enumerate(kept):
        if indices is not None:
            removed = sorted(set(range(tensor.shape[axis])).difference(indices))
            tensor.index_fill_(axis, torch.tensor(removed, dtype=torch.long), 0)
    size = tensor.shape[0] // parameter.groups
    for group, indices in enumerate(by_group or ()):
        removed = sorted(set(range(tensor.shape[1])).difference(indices))
        tensor[group * size : (group + 1) * size, removed] = 0


def difference(
    pruned: nn.Module, reference: nn.Module, arguments: Arguments, *, exact: bool = False
) -> str | None:
    """What differs between the outputs of two modules in evaluation mode; None if nothing does.

    Raises what the forward pass of the pruned module raises. A reference that does not run, or has
    no finite outputs, tells nothing. With `exact` the modules are also run in double precision,
    which they keep: attention may hardly depend on a scale that is wrong.
    """
    expected = outputs(reference, arguments)
    if expected is None:
        return None
    wrong = _wrong(run(pruned, arguments), expected, _TOLERANCE)
    if wrong is not None or not exact:
        return wrong
    doubled = _in_double(arguments)
    expected, actual = outputs(reference.double(), doubled), outputs(pruned.double(), doubled)
    return None if expected is None or actual is None else _wrong(actual, expected, _EXACT)


def _in_double(arguments: Arguments) -> Arguments:
    args, kwargs = arguments
    return (
        tuple(t.double() if t.is_floating_point() else t for t in args),
        {name: t.double() if t.is_floating_point() else t for name, t in kwargs.items()},
    )


def _wrong(actual: list[Tensor], expected: list[Tensor], tolerance: float) -> str | None:
    if len(actual) != len(expected):
        return f"it has {len(actual)} outputs, not {len(expected)}"
    for left, right in zip(actual, expected, strict=True):
        if left.shape != right.shape:
            return f"an output has shape {[*left.shape]}, not {[*right.shape]}"
        if not left.is_floating_point() or not bool(torch.isfinite(right).all()):
            continue
        error = float((left - right).abs().max()) if left.numel() else 0.0
        scale = float(right.abs().max()) if left.numel() else 1.0
        if not error <= tolerance * max(scale, 1e-6):
            return f"an output differs by {error:.3g} where the largest is {scale:.3g}"
    return None


def attends(template: Template) -> bool:
    """True for a network with products of activations."""
    return any(node.type == "matmul" for node in template.graph.nodes)


def outputs(model: nn.Module, arguments: Arguments) -> list[Tensor] | None:
    """All tensors that a forward pass returns; None if it raises."""
    try:
        return run(model, arguments)
    except Exception:
        return None


def run(model: nn.Module, arguments: Arguments) -> list[Tensor]:
    args, kwargs = arguments
    model.eval()
    with hidden_output(), torch.no_grad():
        return [*tensors(model(*args, **kwargs))]


def tensors(value: Any) -> Iterator[Tensor]:
    """Tensors in nested lists, tuples and mappings, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors(item)
