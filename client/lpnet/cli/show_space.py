"""A space, printed for people on a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from lpnet.cli.layout import new_grid, percent, print_all
from lpnet.space.frozen_parts import merged
from lpnet.space.summary import frozen_channels, input_shapes, tied_layers

if TYPE_CHECKING:
    from lpnet.space.space import Space

_MAX_LAYERS = 3


def print_space(space: Space) -> None:
    inputs = ", ".join("x".join(map(str, shape)) for shape in input_shapes(space))
    print_all(
        Text.assemble((space.name, "bold"), f" {space.hash[:12]}, input {inputs}"),
        f"{count(space.macs(space.dense))} MACs, {count(space.params(space.dense))} parameters, "
        f"{len(space.widths)} widths, {len(space.blocks)} blocks",
        "",
        _widths(space),
        "",
    )
    _print_frozen(space)


def count(number: int) -> str:
    """Three significant digits, with k, M or G for thousands."""
    value, unit = float(number), ""
    for larger in ("k", "M", "G", "T"):
        if value < 999.5:
            break
        value, unit = value / 1000.0, f" {larger}"
    return f"{value:.3g}{unit}"


def _widths(space: Space) -> Table:
    numbers = ["channels", "granule"]
    grid = new_grid(None, "width", *numbers, "layers", numbers=numbers)
    tied = tied_layers(space)
    for width in space.widths:
        layers = Text(_listed(tied[width.name]))
        grid.add_row(Text(width.name), str(width.max), str(width.granule), layers)
    return grid


def _listed(names: list[str]) -> str:
    hidden = len(names) - _MAX_LAYERS
    if hidden <= 1:
        return ", ".join(names)
    return f"{', '.join(names[:_MAX_LAYERS])} and {hidden} more"


def _print_frozen(space: Space) -> None:
    frozen, channels = frozen_channels(space)
    if not frozen:
        print_all("No channel is frozen.")
        return
    print_all(
        f"[bold]{percent(100.0 * frozen / channels)}[/bold] of the channels are frozen, "
        f"{frozen} of {channels}"
    )
    if not space.frozen:
        print_all("The file is of an older lpnet and holds no reasons: make the space again.")
        return
    grid = new_grid(None, "frozen by", "op", "channels", "reason", numbers=["channels"])
    for part in merged(space.frozen):
        reason = part.reason + (f": {_listed([*part.layers])}" if part.layers else "")
        grid.add_row(Text(part.node), part.op, str(part.channels), Text(reason))
    print_all(grid)
