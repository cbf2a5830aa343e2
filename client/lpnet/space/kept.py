"""Which atoms of each width are kept, from the channels that a user keeps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import index as as_index

from lpnet.errors import WidthsError
from lpnet.space.axis import Width

Atoms = dict[str, list[int]]


def kept_atoms(widths: Sequence[Width], kept: Mapping[str, Sequence[int]]) -> Atoms:
    """Atoms by width, in order. Widths that are not listed keep all.

    Raises WidthsError, naming the width, for an unknown one, a wrong index, or a part of an atom.
    """
    by_name = {width.name: width for width in widths}
    for name in kept:
        if name not in by_name:
            raise WidthsError(f"this space has no width {name}")
    return {
        name: _atoms(width, kept[name]) if name in kept else list(range(width.atoms))
        for name, width in by_name.items()
    }


def atom_channels(width: Width) -> list[list[int]]:
    """The channels that are kept or removed together; for a grouped conv, one of each group."""
    if width.layout:
        channels: list[list[int]] = [[] for _ in range(width.atoms)]
        for channel, atom in enumerate(width.atom_of()):
            channels[atom].append(channel)
        return channels
    size = width.max // width.granule
    return [[group * size + i for group in range(width.granule)] for i in range(size)]


def _atoms(width: Width, kept: Sequence[int]) -> list[int]:
    try:
        indices = [as_index(i) for i in kept]
    except TypeError as error:
        raise WidthsError(f"{width.name}: kept channels must be integers") from error
    wrong = [i for i in indices if not 0 <= i < width.max]
    if wrong:
        raise WidthsError(f"{width.name}: channel {wrong[0]} is outside 0 to {width.max - 1}")
    if len(set(indices)) < len(indices):
        raise WidthsError(f"{width.name}: a channel is listed twice")
    if not indices:
        raise WidthsError(f"{width.name}: no channel is kept")
    if len(indices) % width.granule:
        raise WidthsError(
            f"{width.name}: {len(indices)} channels are not a multiple of {width.granule}"
        )
    if not width.layout:
        return sorted(indices)
    atom_of, chosen = width.atom_of(), set(indices)
    atoms = sorted({atom_of[i] for i in indices})
    for channels in (channels for channels in atom_channels(width) if set(channels) & chosen):
        if not chosen.issuperset(channels):
            raise WidthsError(
                f"{width.name}: channels {_listed(channels)} are kept or removed together"
            )
    return atoms


def _listed(channels: list[int]) -> str:
    if channels == list(range(channels[0], channels[-1] + 1)):
        return f"{channels[0]} to {channels[-1]}"
    return ", ".join(map(str, channels[:8])) + (", ..." if len(channels) > 8 else "")
