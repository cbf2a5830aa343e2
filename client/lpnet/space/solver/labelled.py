"""A tensor whose positions carry labels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lpnet.space.raw import Shape
from lpnet.space.solver.classes import Labels


@dataclass(frozen=True)
class Factor:
    """Labels that vary along `axes`, in increasing order; the array has an axis for each."""

    axes: tuple[int, ...]
    labels: Labels


@dataclass(frozen=True)
class Labelled:
    """A dense shape, and factors on disjoint axes. Positions on other axes always stay.

    A position stays if its label in every factor stays.
    """

    shape: Shape
    factors: tuple[Factor, ...] = ()

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def axes(self) -> frozenset[int]:
        return frozenset(axis for factor in self.factors for axis in factor.axes)

    def factor(self, axis: int) -> Factor | None:
        return next((factor for factor in self.factors if axis in factor.axes), None)

    def labels(self) -> list[Labels]:
        return [factor.labels for factor in self.factors]


def transpose(value: Labelled, order: Sequence[int]) -> Labelled:
    """Axis i of the result is axis order[i] of the value."""
    position = {old: new for new, old in enumerate(order)}
    factors = []
    for factor in value.factors:
        axes = [position[axis] for axis in factor.axes]
        turn = np.argsort(axes)
        factors.append(
            Factor(tuple(sorted(axes)), np.ascontiguousarray(factor.labels.transpose(turn)))
        )
    return Labelled(tuple(value.shape[axis] for axis in order), tuple(factors))


def along(factor: Factor, axes: Sequence[int], shape: Sequence[int]) -> Labels:
    """The labels of a factor broadcast over `axes`, which include its own, of a given shape."""
    sides = [shape[axis] if axis in factor.axes else 1 for axis in axes]
    return np.broadcast_to(factor.labels.reshape(sides), [shape[axis] for axis in axes])


def replaced(value: Labelled, old: Factor | None, new: Factor | None) -> tuple[Factor, ...]:
    factors = [factor for factor in value.factors if factor is not old]
    return tuple(factors if new is None else [*factors, new])


def reshape_groups(before: Shape, after: Shape) -> list[tuple[range, range]]:
    """The finest ranges of axes whose products agree, in order. No side is 0."""
    groups: list[tuple[range, range]] = []
    i = j = 0
    while i < len(before) or j < len(after):
        start, begin = i, j
        left = before[i] if i < len(before) else 0
        right = after[j] if j < len(after) else 0
        if left == 1 != right:
            i += 1
        elif right == 1 != left:
            j += 1
        else:
            i, j = i + 1, j + 1
            while left != right:
                if left < right:
                    left, i = left * before[i], i + 1
                else:
                    right, j = right * after[j], j + 1
        groups.append((range(start, i), range(begin, j)))
    return groups
