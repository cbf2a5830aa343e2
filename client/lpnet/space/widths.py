"""Checking widths that users pass in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lpnet.errors import WidthsError
from lpnet.space.axis import Width


class Listable(Protocol):
    """A numpy array or a torch tensor; torch is not imported for it."""

    def tolist(self) -> Any: ...


Widths = Mapping[str, int] | Sequence[int] | Listable


def vector(space: tuple[Width, ...], widths: Widths) -> NDArray[np.int64]:
    """Widths in the space's order; WidthsError names the width that is wrong.

    `widths` are numbers by name, or a sequence, array or tensor of one dimension.
    """
    values = _in_order(space, widths)
    pairs = zip(space, values, strict=True)
    return np.array([_checked(width, value) for width, value in pairs], dtype=np.int64)


def _in_order(space: tuple[Width, ...], widths: Widths) -> list[Any]:
    if isinstance(widths, Mapping):
        names = [width.name for width in space]
        missing = [name for name in names if name not in widths]
        unknown = [str(name) for name in widths if name not in set(names)]
        if missing:
            raise WidthsError(f"missing: {', '.join(missing)}")
        if unknown:
            raise WidthsError(f"this space has no width {', '.join(unknown)}")
        return [widths[name] for name in names]
    listed = widths.tolist() if hasattr(widths, "tolist") else widths
    if isinstance(listed, str | bytes) or not isinstance(listed, Sequence):
        raise WidthsError(
            "widths are numbers by name, or numbers in the space's order, "
            f"not {type(widths).__name__} {widths!r}"
        )
    values = list(listed)
    if any(isinstance(value, list) for value in values):
        raise WidthsError("one vector of widths at a time, not an array of several")
    if len(values) != len(space):
        raise WidthsError(f"{len(values)} widths given, this space has {len(space)}")
    return values


def _checked(width: Width, value: Any) -> int:
    if isinstance(value, bool | np.bool_) or not isinstance(
        value, int | float | np.integer | np.floating
    ):
        raise WidthsError(f"{width.name}: {value!r} is not a number")
    if not math.isfinite(value):
        raise WidthsError(f"{width.name}: {value} is not a finite number")
    if value != int(value):
        raise WidthsError(f"{width.name}: {value} is not a whole number of channels")
    kept = int(value)
    if not 1 <= kept <= width.max:
        raise WidthsError(f"{width.name}: {kept} is outside 1 to {width.max}")
    if kept % width.granule:
        raise WidthsError(f"{width.name}: {kept} is not a multiple of {width.granule}")
    return kept
