"""The content of a space file."""

from __future__ import annotations

from dataclasses import dataclass

from lpnet.space.blocks import Block
from lpnet.space.compiling import Frozen
from lpnet.space.parameter_counts import RowParameters
from lpnet.space.template import Template


@dataclass(frozen=True)
class Content:
    """The content of a space file.

    `frozen`, `channels` and `parameters` are those of the space, and no part of its hash.
    """

    name: str
    batch: int
    hash: str
    template: Template
    blocks: tuple[Block, ...]
    frozen: tuple[Frozen, ...] = ()
    channels: int = 0
    parameters: tuple[RowParameters, ...] = ()


def batch_symbol(template: Template) -> str:
    """A symbol for the batch size that differs from the names of all widths."""
    symbol = "batch"
    while any(width.name == symbol for width in template.widths):
        symbol += "_"
    return symbol
