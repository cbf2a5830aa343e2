"""Networks named in a command: of the zoo, or returned by a function of the user."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

from lpnet.errors import LpnetError

if TYPE_CHECKING:
    from torch import nn


def open_model(name: str) -> nn.Module:
    """Raises LpnetError. `name` is a network of the zoo or `pkg.mod:factory`."""
    if ":" in name:
        return call_factory(name)
    zoo = import_module("lpnet.zoo")
    if name not in zoo.NAMES:
        raise LpnetError(
            f"{name!r} is neither a network of the zoo ({', '.join(zoo.NAMES)}) nor a function "
            "pkg.mod:factory"
        )
    model: nn.Module = zoo.model(name)
    return model


def call_factory(name: str) -> nn.Module:
    """Call `pkg.mod:factory`, whose module may be in the current folder.

    Raises LpnetError if that fails or does not return a torch.nn.Module.
    """
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
