"""What a line through a space advises, in sentences; docs/start/curves.md gives the rules.

Of two values of a width, at latencies f and g: they cost **the same** where the larger of f and g
exceeds the other by no more than twice the noise floor. One **costs more** where it exceeds the
other by more than that, and its interval lies above the other's. What is neither is not talked
about. The intervals are those of the kernels that the width touches: the others are common to
both.

**Stops** are found from the widest value down: a stop is the widest value that is cheaper than
the stop above it by more than twice the noise floor. Between one stop and the next nothing is
gained by keeping less than the upper one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lpnet.schemas.curve import Advice

# Stands in for twice the noise floor where that is unknown: that of a quiet device.
UNKNOWN_NOISE_PCT = 2.0
# An edge is a fall over this part of the stretch above it, and by so many times what that varies.
_EDGE_PART, _EDGE_TIMES = 4, 2.0
# Of the multiples between the first fast value and the last, so many have to be fast.
_TEETH, _TEETH_SHARE = 3, 0.75
# The value named beside a cliff is the widest that costs nearly as much as the worst.
_NEARLY = 0.95
_CLIFFS, _SAMES = 2, 3

Vector = NDArray[np.float64]


def same_within_pct(noise_floor_pct: float | None) -> float:
    """Latencies this close count as the same, percent."""
    return UNKNOWN_NOISE_PCT if noise_floor_pct is None else 2.0 * noise_floor_pct


class Stretch(NamedTuple):
    """Indices `first` to `stop` of a line, none of which is cheaper than `stop`; `below` is the
    next stop, -1 where there is none."""

    first: int
    stop: int

    @property
    def below(self) -> int:
        return self.first - 1


@dataclass(frozen=True)
class Judge:
    """Tells values of a line apart. Latencies in ms at ascending `values`, `low` and `high` their
    intervals, each (N,); `within` a share."""

    values: Sequence[int]
    ms: Vector
    low: Vector
    high: Vector
    within: float

    def more(self, one: int, other: int) -> bool:
        """Whether the value at index `one` costs more than that at `other`."""
        beyond = self.ms[one] > self.ms[other] * (1.0 + self.within)
        return bool(beyond and self.low[one] > self.high[other])

    def same(self, first: int, last: int) -> bool:
        """Whether all values from index `first` to `last` cost the same."""
        part = self.ms[first : last + 1]
        return bool(part.max() <= part.min() * (1.0 + self.within))

    def ratio(self, one: int, other: int) -> float:
        return float(self.ms[one] / self.ms[other])

    def free(self, first: int, last: int, step: int) -> bool:
        """Whether no value from `first` to `last` is cheaper than the next multiple of `step`."""
        ms = dict(zip(self.values, self.ms, strict=True))
        return all(
            ms[-(-value // step) * step] <= ms[value] * (1.0 + self.within)
            for value in self.values
            if first <= value <= last
        )

    def stretches(self) -> list[Stretch]:
        """The line cut at its stops, from the widest down."""
        found, stop = [], len(self.ms) - 1
        while stop >= 0:
            cheaper = self.ms[:stop] * (1.0 + self.within) < self.ms[stop]
            below = int(cheaper.nonzero()[0][-1]) if cheaper.any() else -1
            found.append(Stretch(below + 1, stop))
            stop = below
        return found

    def cliff(self, stretch: Stretch) -> int | None:
        """The value of a stretch that costs more than its stop, where one does: the widest of
        those that cost nearly the most."""
        inner = self.ms[stretch.first : stretch.stop]
        if not len(inner):
            return None
        worst = stretch.first + int((inner >= _NEARLY * inner.max()).nonzero()[0][-1])
        return worst if self.more(worst, stretch.stop) else None

    def is_flat(self, stretch: Stretch) -> bool:
        """Whether a stretch of several values costs the same, and ends in an edge: a fall to what
        costs less, steeper than anything on the stretch."""
        first, stop = stretch
        if stop == first or first == 0 or not self.same(first, stop):
            return False
        part = self.ms[first : stop + 1]
        foot = max(0, first - max(1, len(part) // _EDGE_PART))
        foot += int(self.ms[foot:first].argmin())
        fall = self.ms[first] - self.ms[foot]
        return self.more(first, foot) and fall > _EDGE_TIMES * (part.max() - part.min())


def advise(
    values: Sequence[int],
    ms: Vector,
    low: Vector,
    high: Vector,
    noise_floor_pct: float | None = None,
) -> tuple[Advice, ...]:
    """At most seven sentences about latency `ms` (N,) at ascending `values` of a width, most
    useful first. `low` and `high` (N,) are the intervals of the kernels that the width touches,
    with all others added as they are predicted."""
    within = same_within_pct(noise_floor_pct) / 100.0
    judge = Judge(values, ms, low, high, within)
    noise = "the noise" if noise_floor_pct is not None else f"{100.0 * within:g}%"
    if len(values) < 2:
        return ()
    if judge.same(0, len(values) - 1):
        return (_nothing(judge, noise),)
    stretches = judge.stretches()
    cliffs = {one: at for one in stretches if (at := judge.cliff(one)) is not None}
    flats = [one for one in stretches if one not in cliffs and judge.is_flat(one)]
    comb = _multiples(judge, [*cliffs, *flats])
    steep = sorted(cliffs, key=lambda one: -judge.ratio(cliffs[one], one.stop))
    long = sorted(flats, key=lambda one: one.first - one.stop)
    # Where a comb is named, one of its teeth is example enough.
    found = [
        *comb,
        *(_cliff(judge, cliffs[one], one.stop) for one in steep[: 1 if comb else _CLIFFS]),
        *(_same(judge, one, noise) for one in long[: 1 if comb else _SAMES]),
        *_floor(judge, stretches[-1]),
    ]
    return tuple(found if cliffs or flats else [*_gain(judge), *found])


def _nothing(judge: Judge, noise: str) -> Advice:
    ratio = float(judge.ms.max() / judge.ms.min())
    keep = judge.values[-1]
    text = (
        f"No value changes the latency by more than {100.0 * (ratio - 1.0):.2g}%, which is within "
        f"{noise}: keep {keep}."
    )
    return Advice(kind="noise", text=text, keep=keep, ratio=ratio)


def _multiples(judge: Judge, stretches: Sequence[Stretch]) -> list[Advice]:
    """Where nearly all stops with something dear or flat below them are multiples of a power of
    two. The max is a stop whatever it is, and so is no argument against."""
    stops = sorted(judge.values[one.stop] for one in stretches)
    teeth = [value for value in stops if value != judge.values[-1]]
    step = gcd(*teeth)
    step &= -step
    if step and stops[-1] % step == 0:
        teeth = stops
    if len(teeth) < _TEETH:
        return []
    between = (teeth[-1] - teeth[0]) // step + 1
    if step <= judge.values[1] - judge.values[0] or len(teeth) < _TEETH_SHARE * between:
        return []
    if not judge.free(teeth[0], teeth[-1], step):
        return []
    text = f"From {teeth[0]} to {teeth[-1]} channels, round up to a multiple of {step}."
    return [Advice(kind="multiples", text=text, first=teeth[0], last=teeth[-1], multiple=step)]


def _cliff(judge: Judge, worst: int, stop: int) -> Advice:
    dear, keep, ratio = judge.values[worst], judge.values[stop], judge.ratio(worst, stop)
    text = f"{dear} channels cost {_times(ratio)} {keep}: keep {keep}."
    return Advice(
        kind="cliff", text=text, keep=keep, first=dear, last=dear, against=keep, ratio=ratio
    )


def _same(judge: Judge, stretch: Stretch, noise: str) -> Advice:
    first, keep = judge.values[stretch.first], judge.values[stretch.stop]
    text = f"{first} to {keep} channels cost the same within {noise}: keep {keep}."
    ratio = judge.ratio(stretch.first, stretch.stop)
    return Advice(
        kind="same", text=text, keep=keep, first=first, last=keep, against=keep, ratio=ratio
    )


def _floor(judge: Judge, lowest: Stretch) -> list[Advice]:
    """The lowest stretch has no stop below: nothing in it is cheaper than its widest value."""
    if lowest.stop == lowest.first:
        return []
    keep = judge.values[lowest.stop]
    first, last = judge.values[lowest.first], judge.values[lowest.stop - 1]
    text = f"Below {keep} channels nothing is gained."
    return [Advice(kind="floor", text=text, keep=keep, first=first, last=last, against=keep)]


def _gain(judge: Judge) -> list[Advice]:
    """What half of the channels cost, where no value stands out."""
    most = len(judge.values) - 1
    half = int(np.searchsorted(judge.values, judge.values[-1] / 2.0, side="right")) - 1
    if half < 0 or not judge.more(most, half):
        return []
    ratio, kept, whole = judge.ratio(half, most), judge.values[half], judge.values[-1]
    text = f"No width stands out; {kept} channels cost {_times(ratio)} {whole}."
    return [Advice(kind="gain", text=text, first=kept, last=kept, against=whole, ratio=ratio)]


def _times(ratio: float) -> str:
    return f"{ratio:.1f} times" if ratio >= 2.0 else f"{ratio:.2f} times"
