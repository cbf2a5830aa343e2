"""The widths of a space as plain numbers, to check many samples quickly.

These are the checks of `Space.vector`, in plain Python on a mapping: samples arrive by the
thousand, and making an array for each would cost more than storing it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lpnet.schemas.problem import FieldError

if TYPE_CHECKING:
    from lpnet.space.space import Space

# (max, granule) by the name of the width.
Limits = Mapping[str, tuple[int, int]]


@dataclass(frozen=True)
class LoadedSpace:
    """A space, and the limits of the widths of each block; the key None is the whole network."""

    space: Space
    limits: Mapping[str | None, Limits]

    @classmethod
    def of(cls, space: Space) -> LoadedSpace:
        parts: dict[str | None, Space] = {b.name: space.block(b.name) for b in space.blocks}
        parts[None] = space
        return cls(space, {name: _limits(part) for name, part in parts.items()})


def _limits(space: Space) -> Limits:
    return {width.name: (width.max, width.granule) for width in space.widths}


def width_errors(limits: Limits, widths: Mapping[str, int]) -> Iterator[FieldError]:
    """The errors of widths, with paths relative to the workload."""
    for name, (max_width, granule) in limits.items():
        width = widths.get(name)
        if width is None:
            yield FieldError(field=f"widths.{name}", reason="this width is missing")
        elif not 1 <= width <= max_width:
            reason = f"{_shorten(width)} is not within 1 to {max_width}"
            yield FieldError(field=f"widths.{name}", reason=reason)
        elif width % granule:
            reason = f"{width} is not a multiple of {granule}"
            yield FieldError(field=f"widths.{name}", reason=reason)
    if len(widths) != len(limits):
        for name in widths.keys() - limits.keys():
            yield FieldError(field=f"widths.{name}", reason="there is no such width")


def _shorten(number: int) -> str:
    if abs(number) < 10**9:
        return str(number)
    return f"{number:.3g}" if abs(number) < 10**300 else "a number of more than 300 digits"
