"""How results are laid out on a terminal: grids, figures, and what is unknown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, JustifyMethod
from rich.table import Table

from lpnet.schemas.report import NOISE_UNKNOWN

UNKNOWN = "-"


def put(*things: Any) -> None:
    console = Console()
    for thing in things:
        console.print(thing, soft_wrap=isinstance(thing, str))


def grid_of(title: str | None, *columns: str, numbers: Sequence[str] = ()) -> Table:
    grid = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for place, column in enumerate(columns):
        # The first column is what users copy into the next command: never cut.
        justify: JustifyMethod = "right" if column in numbers else "left"
        grid.add_column(column, justify=justify, no_wrap=place == 0)
    return grid


def ms(value: float | None) -> str:
    """Milliseconds with four significant digits."""
    return UNKNOWN if value is None else f"{value:#.4g}".rstrip(".")


def percent(value: float | None, digits: int = 1) -> str:
    """A share in percent."""
    return UNKNOWN if value is None else f"{value:.{digits}f}%"


def noise(value: float | None, reason: str | None = None) -> str:
    """The noise floor in words, or why there is none."""
    if value is None:
        return f"noise floor unknown: {reason or NOISE_UNKNOWN}"
    return f"noise floor {percent(value, 2)}"


def ago(when: datetime | None) -> str:
    """How long ago, in the largest unit that fits."""
    if when is None:
        return "never"
    seconds = (datetime.now(UTC) - when).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"
