"""Channel axes: the widths along the channels of a tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Run:
    """Atoms `first` to `first + count` of a width, each `inner` times in a row."""

    first: int
    count: int
    inner: int


@dataclass(frozen=True)
class Width:
    """A variable of a space: the number of channels that are kept in a group.

    Legal values are the multiples of `granule` from `granule` to `max`. An atom is what is removed
    as a whole. Without a `layout` each channel is an atom, and a granule above 1 is the number of
    groups of a grouped conv, each of which keeps the same number of channels. A layout lists the
    atoms of the channels in order, for heads of attention or for channels that are tied.
    """

    name: str
    max: int
    granule: int
    layout: tuple[Run, ...] = ()

    @property
    def atoms(self) -> int:
        return self.max // self.granule if self.layout else self.max

    def atom_of(self) -> list[int]:
        """The atom of each channel."""
        if not self.layout:
            return list(range(self.max))
        return [
            run.first + i
            for run in self.layout
            for i in range(run.count)
            for _ in range(run.inner)
        ]


@dataclass(frozen=True)
class Segment:
    """Atoms `first` to `first + size` of a width, or `size` constant channels if it is None.

    Each stands for `inner` neighbouring channels of the tensor, as after a flatten. `of` is the
    max of the width; 0 where the segment is the whole width and each atom is a channel.
    """

    width: str | None
    size: int
    inner: int = 1
    first: int = 0
    of: int = 0


@dataclass(frozen=True)
class Axis:
    """The channels of a tensor: segments side by side."""

    segments: tuple[Segment, ...]

    @classmethod
    def constant(cls, channels: int) -> Axis:
        return cls((Segment(None, channels),))

    @classmethod
    def of(cls, width: str, size: int) -> Axis:
        return cls((Segment(width, size),))

    @property
    def dense(self) -> int:
        return sum(segment.size * segment.inner for segment in self.segments)

    @property
    def widths(self) -> frozenset[str]:
        return frozenset(s.width for s in self.segments if s.width is not None)

    def repeat(self, times: int) -> Axis:
        """Each channel is repeated `times` times."""
        return Axis(tuple(replace(s, inner=s.inner * times) for s in self.segments))

    def divide(self, size: int) -> Axis:
        """Blocks of `size` channels, each of a single atom or constant."""
        return Axis(
            tuple(
                replace(s, size=s.size * s.inner // size, inner=1)
                if s.width is None
                else replace(s, inner=s.inner // size, of=s.of or s.size)
                for s in self.segments
            )
        )

    def rename(self, name: Callable[[str], str | None]) -> Axis:
        """A width renamed to None becomes constant."""
        return Axis(
            tuple(s if s.width is None else replace(s, width=name(s.width)) for s in self.segments)
        )

    def count(self, widths: Mapping[str, int] | None) -> int:
        """Channels at concrete widths; all of them without widths."""
        if widths is None:
            return self.dense
        terms, constant = self._terms()
        return constant + sum(
            channels * widths[name] // max_width for name, (channels, max_width) in terms.items()
        )

    def affine(self) -> tuple[dict[str, float], int]:
        """The number of channels as a factor per width and a constant."""
        terms, constant = self._terms()
        return {name: _ratio(*term) for name, term in terms.items()}, constant

    def _terms(self) -> tuple[dict[str, tuple[int, int]], int]:
        # Dense channels of each width on this axis, with its max, and constant channels.
        terms: dict[str, tuple[int, int]] = {}
        constant = 0
        for s in self.segments:
            if s.width is None:
                constant += s.size * s.inner
            else:
                channels = terms[s.width][0] if s.width in terms else 0
                terms[s.width] = channels + s.size * s.inner, s.of or s.size
        return terms, constant

    def label(self) -> str:
        """The affine form as text: "64", "conv1", "49*features.40", "attention/64"."""
        terms, constant = self._terms()
        texts = [_term(name, *term) for name, term in terms.items()]
        return "+".join(texts + ([str(constant)] if constant or not texts else []))

    def kept(self, kept: Mapping[str, Sequence[int]]) -> list[int]:
        """Positions along the axis that are kept, for the atoms `kept` in each width."""
        positions: list[int] = []
        start = 0
        for s in self.segments:
            atoms: Sequence[int] = range(s.size)
            if s.width is not None:
                atoms = [a - s.first for a in kept[s.width] if s.first <= a < s.first + s.size]
            positions += [start + a * s.inner + i for a in atoms for i in range(s.inner)]
            start += s.size * s.inner
        return positions


def _ratio(channels: int, max_width: int) -> float:
    return channels // max_width if channels % max_width == 0 else channels / max_width


def _term(name: str, channels: int, max_width: int) -> str:
    if channels == max_width:
        return name
    if channels % max_width == 0:
        return f"{channels // max_width}*{name}"
    if max_width % channels == 0:
        return f"{name}/{max_width // channels}"
    return f"{channels}/{max_width}*{name}"
