"""The inputs of an ONNX op that is written as it was read: tensors, weights and numbers."""

from __future__ import annotations

from dataclasses import dataclass

from lpnet.space.axis import Axis

Numbers = tuple[int | float, ...]


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
    """An array that does not depend on the widths, in row-major order."""

    type: str
    shape: tuple[int, ...]
    values: Numbers


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
