"""What the inputs of a network are filled with, by element type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import DTypeLike

from lpnet_agent.runtimes.base import Array

_BYTE = 1
Inputs = dict[str, Array]


def random_input(shape: Sequence[int], dtype: DTypeLike, rng: np.random.Generator) -> Array:
    """Floats are normally distributed. Bytes have any value, as those of images. Other integers
    are 0 or 1, which nearly every table that they may index has."""
    kind = np.dtype(dtype)
    if kind == np.bool_:
        return rng.integers(0, 2, shape).astype(kind)
    if not np.issubdtype(kind, np.integer):
        return rng.standard_normal(shape).astype(kind)
    if kind.itemsize > _BYTE:
        return rng.integers(0, 2, shape).astype(kind)
    limits = np.iinfo(kind)
    return rng.integers(limits.min, limits.max + 1, shape).astype(kind)


def candidates(inputs: Inputs) -> Iterator[Inputs]:
    """The inputs, and then others for a network that rejects their integers, such as an index
    that is out of range or a size of zero."""
    yield inputs
    integers = {name for name, array in inputs.items() if np.issubdtype(array.dtype, np.integer)}
    if any(inputs[name].dtype.itemsize == _BYTE for name in integers):
        yield {name: array % 2 if name in integers else array for name, array in inputs.items()}
    if integers:
        for fill in (1, 0):
            yield {
                name: np.full_like(array, fill) if name in integers else array
                for name, array in inputs.items()
            }
