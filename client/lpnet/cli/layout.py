"""Parts of terminal output: grids, figures, and how unknown values are shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console, JustifyMethod
from rich.table import Table

from lpnet.schemas.noise import TargetNoise
from lpnet.schemas.report import NOISE_UNKNOWN

UNKNOWN = "-"


def print_all(*items: Any) -> None:
    console = Console()
    for item in items:
        console.print(item, soft_wrap=isinstance(item, str))


def print_line(text: str) -> None:
    """Print a text without interpreting markup in it."""
    Console().print(text, soft_wrap=True, markup=False, highlight=False)


def new_grid(title: str | None, *columns: str, numbers: Sequence[str] = ()) -> Table:
    """Columns in `numbers` are aligned to the right."""
    grid = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for index, column in enumerate(columns):
        # Users copy the first column into the next command, so it is never cut.
        justify: JustifyMethod = "right" if column in numbers else "left"
        grid.add_column(column, justify=justify, no_wrap=index == 0)
    return grid


def ms(value: float | None) -> str:
    """Four significant digits."""
    return UNKNOWN if value is None else f"{value:#.4g}".rstrip(".")


def percent(value: float | None, digits: int = 1) -> str:
    return UNKNOWN if value is None else f"{value:.{digits}f}%"


def noise(value: float | None, reason: str | None = None, floor: TargetNoise | None = None) -> str:
    """A noise floor, with its interval where `floor` is known."""
    if value is None:
        return f"noise floor unknown: {reason or NOISE_UNKNOWN}"
    if floor is None or floor.low_pct is None or floor.high_pct is None:
        return f"noise floor {percent(value, 2)}"
    return (
        f"noise floor {percent(value, 2)} (95% interval {floor.low_pct:.2f} to "
        f"{percent(floor.high_pct, 2)}, {floor.workloads} workloads)"
    )


def ago(when: datetime | None) -> str:
    if when is None:
        return "never"
    seconds = (datetime.now(UTC) - when).total_seconds()
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit} ago"
    return f"{max(0.0, seconds):.0f} s ago"
