"""Random prunings of a space."""

from __future__ import annotations

import random

from lpnet.space.space import Space

Kept = dict[str, list[int]]


def draw(space: Space, generator: random.Random, index: int) -> Kept:
    """Channels to keep of every width.

    By index: about the same share of all widths; any share of each; all, or hardly any.
    """
    share = generator.uniform(0.3, 0.8)
    kept = {}
    for width in space.widths:
        atoms = [list(atom) for atom in space.atoms(width.name)]
        if index % 3 == 0:
            count = round(len(atoms) * share * generator.uniform(0.8, 1.2))
        elif index % 3 == 1:
            count = generator.randint(1, len(atoms))
        else:
            count = generator.choice((1, 2, len(atoms) - 1, len(atoms), len(atoms) // 2))
        count = min(max(count, 1), len(atoms))
        chosen = generator.sample(atoms, count)
        if width.granule > 1 and not width.layout:
            # Each group of a grouped convolution keeps channels of its own, equally many.
            groups = zip(*atoms, strict=True)
            chosen = [generator.sample(group, count) for group in groups]
        kept[width.name] = sorted(channel for atom in chosen for channel in atom)
    return kept
