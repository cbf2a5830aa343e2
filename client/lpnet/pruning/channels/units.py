"""Units: the channels of a width that share a gate, since they are kept or removed together."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from lpnet.space.axis import Axis, Width


def unit_count(width: Width) -> int:
    return width.max // width.granule


def unit_of_channels(width: Width) -> list[int]:
    """The unit of each channel: its atom, or its position in its group of a grouped conv."""
    if width.layout:
        return width.atom_of()
    return [channel % unit_count(width) for channel in range(width.max)]


def units_along(axis: Axis, widths: Mapping[str, Width]) -> list[tuple[str, int] | None]:
    """Width and unit of each position of an axis; None for a constant one."""
    units: list[tuple[str, int] | None] = []
    for segment in axis.segments:
        if segment.width is None:
            units += [None] * (segment.size * segment.inner)
            continue
        width = widths[segment.width]
        for atom in range(segment.first, segment.first + segment.size):
            unit = atom if width.layout else atom % unit_count(width)
            units += [(width.name, unit)] * segment.inner
    return units


def positions_of(axis: Axis, width: Width, widths: Mapping[str, Width]) -> Tensor:
    """The positions along an axis of each unit of a width: (units, positions)."""
    positions: list[list[int]] = [[] for _ in range(unit_count(width))]
    for position, unit in enumerate(units_along(axis, widths)):
        if unit is not None and unit[0] == width.name:
            positions[unit[1]].append(position)
    return torch.tensor(positions)
