"""Widths: classes of labels with the same incidences are interchangeable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lpnet.space.solver.classes import CONSTANT, Classes, Labels
from lpnet.space.solver.state import Grouped, Opening, State

_MIX = np.uint64(0x9E3779B97F4A7C15)


class Quotient:
    """Free classes that a layer opens, in groups of equal incidences.

    `width_of[label]` is the number of a class's group, -1 for a class that stays, and
    `atom_of[label]` is the position of the class in its group. Groups are in execution order.
    """

    def __init__(self, classes: Classes, arrays: Sequence[Labels], openings: Sequence[Opening]):
        self.classes = classes
        size = classes.size
        self.signatures = _signatures(classes, arrays)
        opened = np.zeros(size, dtype=bool)
        for opening in openings:
            opened[classes.roots(opening.labels)] = True
        free = opened & ~classes.is_frozen(np.arange(size))
        free[CONSTANT] = False
        free &= ~_single(self.signatures, free)
        self.width_of = np.full(size, -1, dtype=np.int64)
        self.atom_of = np.full(size, -1, dtype=np.int64)
        self.openers: list[Opening] = []
        self.atoms: list[int] = []
        numbers: dict[int, int] = {}
        for opening in openings:
            roots = classes.roots(opening.labels)
            for root in roots[np.sort(np.unique(roots, return_index=True)[1])].tolist():
                if not free[root] or self.width_of[root] >= 0:
                    continue
                signature = int(self.signatures[root])
                if signature not in numbers:
                    numbers[signature] = len(self.openers)
                    self.openers.append(opening)
                    self.atoms.append(0)
                number = numbers[signature]
                self.width_of[root] = number
                self.atom_of[root] = self.atoms[number]
                self.atoms[number] += 1

    def of(self, labels: Labels) -> tuple[Labels, Labels]:
        """The group of each label and its position there; -1 for labels that stay."""
        roots = self.classes.roots(labels)
        return self.width_of[roots], self.atom_of[roots]


def _single(signatures: NDArray[np.uint64], free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Classes that are the only ones of their kind: a width of a single one could not change."""
    _, inverse, counts = np.unique(signatures[free], return_inverse=True, return_counts=True)
    single = np.zeros(len(signatures), dtype=bool)
    single[np.flatnonzero(free)] = counts[inverse] == 1
    return single


def _signatures(classes: Classes, arrays: Sequence[Labels]) -> NDArray[np.uint64]:
    """A number per label, equal for classes that are in the same arrays equally often."""
    signatures = np.zeros(classes.size, dtype=np.uint64)
    hashed: set[bytes] = set()
    for array in arrays:
        roots = classes.roots(array.reshape(-1))
        key = roots.tobytes()
        if key in hashed:
            continue
        hashed.add(key)
        members, counts = np.unique(roots, return_counts=True)
        value = np.uint64(len(hashed)) * np.uint64(0x100000001B3) + counts.astype(np.uint64)
        with np.errstate(over="ignore"):
            mixed = (signatures[members] ^ value) * _MIX
            signatures[members] = mixed ^ (mixed >> np.uint64(29))
    signatures[CONSTANT] = 0
    return signatures


def settle_joint(state: State) -> None:
    """Labels that vary along several axes of a tensor are tied until they vary along one.

    They go on to vary along the axis with the most positions. Ties that other ops need are made
    before.
    """
    changed = True
    while changed:
        changed = False
        for factor, node in state.joint:
            roots = state.classes.roots(factor.labels)
            varying = [
                axis for axis in range(roots.ndim) if (roots != roots.take([0], axis)).any()
            ]
            if len(varying) < 2:
                continue
            keep = max(varying, key=lambda axis: (roots.shape[axis], -axis))
            rows = np.moveaxis(factor.labels, keep, 0).reshape(roots.shape[keep], -1)
            state.unite(rows, np.broadcast_to(rows[:, :1], rows.shape), node)
            changed = True


def settle_grouped(state: State, arrays: Sequence[Labels]) -> list[Grouped]:
    """Tie the groups of grouped convs, unless it is enough that they keep equally many channels.

    That is so where their channels are a whole width in order, and nothing else divides it.
    Returns those which remain untied.
    """
    quotient = Quotient(state.classes, arrays, state.openings)
    free = []
    for grouped in state.grouped:
        if not _counts_are_enough(state, quotient, grouped):
            labels = grouped.labels
            state.unite(labels, np.broadcast_to(labels[:1], labels.shape), grouped.node)
        else:
            free.append(grouped)
    # A tie may have spread to others.
    tied = True
    while tied:
        quotient = Quotient(state.classes, arrays, state.openings)
        kept = [
            g for g in free if _counts_are_enough(state, quotient, g) and _alike(g, free, state)
        ]
        tied = len(kept) < len(free)
        for grouped in free:
            if grouped not in kept:
                labels = grouped.labels
                state.unite(labels, np.broadcast_to(labels[:1], labels.shape), grouped.node)
        free = kept
    return free


def _counts_are_enough(state: State, quotient: Quotient, grouped: Grouped) -> bool:
    numbers, atoms = quotient.of(grouped.labels)
    if not state.classes.is_frozen(grouped.labels).any() and (numbers == numbers.flat[0]).all():
        count = quotient.atoms[int(numbers.flat[0])]
        return np.array_equal(atoms.reshape(-1), np.arange(count))
    return bool(state.classes.is_frozen(grouped.labels).all())


def _alike(grouped: Grouped, all_grouped: Sequence[Grouped], state: State) -> bool:
    roots = state.classes.roots(grouped.labels)
    return all(
        other.labels.shape == roots.shape
        for other in all_grouped
        if np.isin(state.classes.roots(other.labels), roots).any()
        and not state.classes.is_frozen(other.labels).all()
    )
