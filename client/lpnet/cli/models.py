"""Networks that a command names: of the zoo, or from a factory of the user's."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from lpnet.errors import LpnetError

if TYPE_CHECKING:
    from torch import nn


def open_model(name: str) -> nn.Module:
    """A new network: of the zoo, or what `pkg.mod:factory` returns; modules are looked for in the
    current folder, too. Raises LpnetError where it is neither."""
    if ":" in name:
        return made_by(name)
    zoo = import_module("lpnet.zoo")
    if name not in zoo.NAMES:
        raise LpnetError(
            f"{name!r} is neither a network of the zoo ({', '.join(zoo.NAMES)}) nor "
            "pkg.mod:factory"
        )
    model: nn.Module = zoo.model(name)
    return model


def made_by(name: str) -> nn.Module:
    """What the factory `pkg.mod:factory` returns. Raises LpnetError where that is no network."""
    import torch

    module, _, factory = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # as `python -m` does
    try:
        model = getattr(import_module(module), factory)()
    except (ImportError, AttributeError, TypeError, ValueError, RuntimeError) as error:
        raise LpnetError(f"{name}: {error}") from error
    if not isinstance(model, torch.nn.Module):
        raise LpnetError(f"{name} returned {type(model).__name__}, not a torch.nn.Module")
    return model
