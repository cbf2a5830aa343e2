"""The inputs of an ONNX op that is written as it was read: tensors, weights and numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lpnet.space.axis import Axis
from lpnet.space.runs import Numbers, decoded, encoded

# Shorter arrays are stored as they are.
MIN_ARRAY = 4096


@dataclass(frozen=True)
class WeightSlot:
    """A weight with these dimensions; the second is divided among `groups`.

    `role` ends its name. All its values are `value`, or random ones if that is None.
    """

    role: str
    dims: tuple[Axis, ...]
    groups: int = 1
    value: float | None = None


@dataclass(frozen=True)
class ConstantSlot:
    """An array that does not depend on the widths, in row-major order.

    With `lengths` it is stored as runs, see `lpnet.space.runs`.
    """

    type: str
    shape: tuple[int, ...]
    values: Numbers
    lengths: tuple[int, ...] = ()

    @classmethod
    def of(cls, array: NDArray[Any]) -> ConstantSlot:
        """A long array is stored as runs if they take less."""
        type_, shape = str(array.dtype), tuple(map(int, array.shape))
        if array.size > MIN_ARRAY and array.dtype.kind in "biuf":
            values, lengths = encoded(array)
            if 2 * len(values) < array.size:
                return cls(type_, shape, values, lengths)
        return cls(type_, shape, _plain(array))

    def array(self) -> NDArray[Any]:
        if self.lengths:
            return decoded(self.values, self.lengths, self.type).reshape(self.shape)
        return np.array(self.values, dtype=self.type).reshape(self.shape)

    def expanded(self) -> ConstantSlot:
        """The same array without runs."""
        return ConstantSlot(self.type, self.shape, _plain(self.array()))


def _plain(array: NDArray[Any]) -> Numbers:
    numbers = array.reshape(-1).tolist()
    return tuple(int(n) if isinstance(n, bool) else n for n in numbers)


@dataclass(frozen=True)
class CountSlot:
    """A vector of numbers of channels, such as the target of a reshape.

    The number at position `batch` is multiplied by the batch size.
    """

    axes: tuple[Axis, ...]
    batch: int | None = None


# Where a slice in reverse ends; -1 would count from the end.
BEFORE_START = Axis.constant(-(2**31))
# An int is a position among the inputs of the node, None an absent input.
Slot = int | WeightSlot | ConstantSlot | CountSlot | None


@dataclass(frozen=True)
class CountAttribute:
    """An attribute that is a number of channels, such as the groups of a norm."""

    name: str
    axis: Axis


@dataclass(frozen=True)
class Tensor:
    """The dimensions of a tensor for a single input, and its element type.

    `batch` is the dimension that the batch size multiplies; None if none is.
    """

    dims: tuple[Axis, ...]
    batch: int | None = 0
    type: str = "float"
