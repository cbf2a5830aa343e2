"""Numbers that modules keep beside their parameters and that count channels.

Examples are the sizes of the parts of a split, and the number of heads.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from lpnet.errors import SpaceError
from lpnet.space.axis import Axis
from lpnet.space.kept import Atoms

if TYPE_CHECKING:
    from torch import nn

Keys = tuple[int | str, ...]
_MAX_ITEMS = 32
_MAX_DEPTH = 3


@dataclass(frozen=True)
class Attribute:
    """The attribute `name` of a module counts the channels along an axis.

    If it is a container, `keys` lead to the number in it.
    """

    module: str
    name: str
    keys: Keys
    axis: Axis


def set_counts(
    attributes: Iterable[Attribute], before: nn.Module, after: nn.Module, atoms: Atoms
) -> None:
    """Set the numbers of kept channels in `after`, a cut copy of `before`.

    A module that keeps another number is left alone.
    """
    old, new = dict(before.named_modules()), dict(after.named_modules())
    for attribute in attributes:
        module = old.get(attribute.module)
        if module is None or attribute.name not in vars(module):
            continue
        if _number(module, attribute) == attribute.axis.dense:
            own = new[attribute.module]
            value = vars(own)[attribute.name]
            count = len(attribute.axis.kept(atoms))
            setattr(own, attribute.name, _replaced(value, attribute.keys, count))


def check_copies(attributes: Iterable[Attribute], model: nn.Module) -> None:
    """Raises SpaceError if a copy of a module has another number: a class may make its attributes
    anew from those that it copies. Then a pruned model would not survive being saved either.
    """
    own = dict(model.named_modules())
    # Tensors are not copied.
    tensors = {id(tensor): tensor for tensor in chain(model.parameters(), model.buffers())}
    copies: dict[str, nn.Module] = {}
    for attribute in attributes:
        path = attribute.module
        if path not in own:
            continue
        if path not in copies:
            copies[path] = copy.deepcopy(own[path], dict(tensors))
        if _number(copies[path], attribute) != _number(own[path], attribute):
            raise SpaceError(f"a copy of {path or 'the model'} has another {attribute.name}")


def _number(module: nn.Module, attribute: Attribute) -> Any:
    return _item(vars(module).get(attribute.name), attribute.keys)


def numbers(value: Any, keys: Keys = ()) -> Iterator[tuple[Keys, tuple[int, ...]]]:
    """Integers, and sequences of integers, in nested lists, tuples and dicts, with their keys."""
    if type(value) is int:
        yield keys, (value,)
    elif type(value) not in (list, tuple, dict) or not 0 < len(value) <= _MAX_ITEMS:
        return
    elif type(value) is not dict and len(value) > 1 and all(type(i) is int for i in value):
        yield keys, tuple(value)
    elif len(keys) < _MAX_DEPTH:
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            if type(key) in (int, str):
                yield from numbers(item, (*keys, key))


def _item(value: Any, keys: Keys) -> Any:
    for key in keys:
        try:
            value = value[key]
        except (LookupError, TypeError):
            return None
    return value


def _replaced(value: Any, keys: Keys, count: int) -> Any:
    if not keys:
        return count
    key, *others = keys
    if isinstance(value, dict):
        return {**value, key: _replaced(value[key], (*others,), count)}
    items = [
        _replaced(item, (*others,), count) if position == key else item
        for position, item in enumerate(value)
    ]
    return tuple(items) if isinstance(value, tuple) else items
