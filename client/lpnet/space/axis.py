"""Channel axes: the widths along the channels of a tensor."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Width:
    """A variable of a space: the number of channels that are kept in a group.

    Legal values are the multiples of `granule` from `granule` to `max`.
    """

    name: str
    max: int
    granule: int


@dataclass(frozen=True)
class Segment:
    """`size` channels of a group, or of a constant number if `width` is None.

    Each stands for `inner` neighbouring channels of the tensor, as after a flatten.
    """

    width: str | None
    size: int
    inner: int = 1


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

    def rename(self, name: Callable[[str], str | None]) -> Axis:
        """A width renamed to None becomes constant."""
        return Axis(
            tuple(s if s.width is None else replace(s, width=name(s.width)) for s in self.segments)
        )

    def count(self, widths: Mapping[str, int]) -> int:
        return sum(
            (s.size if s.width is None else widths[s.width]) * s.inner for s in self.segments
        )

    def affine(self) -> tuple[dict[str, int], int]:
        """The number of channels as a factor per width and a constant."""
        factors: dict[str, int] = {}
        constant = 0
        for s in self.segments:
            if s.width is None:
                constant += s.size * s.inner
            else:
                factors[s.width] = factors.get(s.width, 0) + s.inner
        return factors, constant

    def label(self) -> str:
        """The affine form as text: "64", "conv1", "49*features.40"."""
        factors, constant = self.affine()
        terms = [name if k == 1 else f"{k}*{name}" for name, k in factors.items()]
        return "+".join(terms + ([str(constant)] if constant or not terms else []))

    def kept(self, kept: Mapping[str, Sequence[int]]) -> list[int]:
        """Positions along the axis that are kept, for the channels `kept` in each width."""
        positions: list[int] = []
        start = 0
        for s in self.segments:
            channels = range(s.size) if s.width is None else kept[s.width]
            positions += [start + c * s.inner + i for c in channels for i in range(s.inner)]
            start += s.size * s.inner
        return positions
