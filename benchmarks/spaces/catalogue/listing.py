"""All families, and choosing some of them."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.spaces.catalogue import images, pytorchcv, transformers
from benchmarks.spaces.catalogue.family import Family

FAMILIES: tuple[Family, ...] = (
    *pytorchcv.FAMILIES,
    *images.FAMILIES,
    *transformers.FAMILIES,
)


def chosen(names: Sequence[str]) -> list[Family]:
    """Families by name or by package; all of them for no name. Raises ValueError for others."""
    families = []
    for name in names:
        matching = [family for family in FAMILIES if name in (family.name, family.package)]
        if not matching:
            raise ValueError(f"there is no family {name!r}; list them with --list")
        families += matching
    return families or list(FAMILIES)
