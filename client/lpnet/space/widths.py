"""Checking width vectors from users."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from lpnet.errors import WidthsError
from lpnet.space.axis import Width


class ArrayLike(Protocol):
    """A numpy array or a torch tensor; needs no import of torch."""

    def tolist(self) -> Any: ...


Widths = Mapping[str, int] | Sequence[int] | ArrayLike


def vector(space: tuple[Width, ...], widths: Widths) -> NDArray[np.int64]:
    """Widths in the space's order. Raises WidthsError, naming the wrong width.

    `widths` are numbers by name, or a one-dimensional sequence, array or tensor.
    """
    values = _in_order(space, widths)
    pairs = zip(space, values, strict=True)
    return np.array([_check(width, value) for width, value in pairs], dtype=np.int64)


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
            "widths must be numbers by name, or numbers in the space's order, "
            f"got {type(widths).__name__} {widths!r}"
        )
    values = list(listed)
    if any(isinstance(value, list) for value in values):
        raise WidthsError("expected a single vector of widths, got an array of several")
    if len(values) != len(space):
        raise WidthsError(f"expected {len(space)} widths, got {len(values)}")
    return values


def _check(width: Width, value: Any) -> int:
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
