"""Large arrays of a graph as runs of values.

Arrays that a forward pass indexes or masks with are long and regular: the differences of their
successive values are few. They are computed from the array alone, so that equal arrays have equal
runs on every machine.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Numbers = tuple[int | float, ...]


def encoded(values: Array) -> tuple[Numbers, tuple[int, ...]]:
    """Values and the length of each run. Of integers the values are differences to the number
    before, which is 0 at the start."""
    flat = values.reshape(-1)
    if not np.issubdtype(flat.dtype, np.floating):
        flat = np.diff(flat.astype(np.int64), prepend=0)
    bits = flat.view(f"u{flat.dtype.itemsize}")
    starts = np.concatenate(([0], np.flatnonzero(np.diff(bits)) + 1))
    lengths = np.diff(starts, append=len(flat))
    return tuple(flat[starts].tolist()), tuple(lengths.tolist())


def decoded(values: Numbers, lengths: tuple[int, ...], type_: str) -> Array:
    """The array of these runs, flat."""
    dtype = np.dtype(type_)
    if np.issubdtype(dtype, np.floating):
        return np.repeat(np.array(values, dtype=dtype), lengths)
    return np.cumsum(np.repeat(np.array(values, dtype=np.int64), lengths)).astype(dtype)
