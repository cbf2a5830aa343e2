"""The parameters and buffers of a network that have channels of widths."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lpnet.errors import WidthsError
from lpnet.space.axis import Axis

Atoms = Mapping[str, Sequence[int]]


@dataclass(frozen=True)
class Parameter:
    """A tensor of a model by its name, with all its axes.

    With `groups` above 1 it is the weight of a grouped conv, whose groups each read their part of
    the channels `reads`; its second axis is that of a single group.
    """

    name: str
    axes: tuple[Axis, ...]
    groups: int = 1
    reads: Axis | None = None

    @property
    def dense(self) -> tuple[int, ...]:
        return tuple(axis.dense for axis in self.axes)

    def kept(self, atoms: Atoms) -> list[list[int] | None]:
        """Kept indices along each axis; None for an axis that is kept whole.

        The second axis of a grouped weight is not among them, see `kept_by_group`.
        """
        grouped = self.groups > 1
        return [
            None if not axis.widths or (grouped and i == 1) else axis.kept(atoms)
            for i, axis in enumerate(self.axes)
        ]

    def kept_by_group(self, atoms: Atoms) -> list[list[int]] | None:
        """For each group of a grouped conv, the kept indices along its second axis.

        Raises WidthsError if the groups keep different numbers of channels.
        """
        if self.groups == 1 or self.reads is None:
            return None
        positions = self.reads.kept(atoms)
        self._check_equal(positions, self.reads.dense // self.groups)
        self._check_equal(self.axes[0].kept(atoms), self.axes[0].dense // self.groups)
        size = self.axes[1].dense
        return [[p % size for p in positions if p // size == g] for g in range(self.groups)]

    def _check_equal(self, positions: list[int], size: int) -> None:
        counts = [sum(p // size == g for p in positions) for g in range(self.groups)]
        if len(set(counts)) > 1:
            name = self.name.removesuffix(".weight")
            raise WidthsError(
                f"{name}: its {self.groups} groups must keep equal numbers of channels, got "
                f"{counts}"
            )
