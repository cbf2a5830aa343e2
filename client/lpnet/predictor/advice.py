"""Sentences of advice about a line through a space; docs/start/curves.md gives the rules.

Two values of a width cost **the same** if their latencies differ by no more than twice the noise
floor. One **costs more** if it exceeds the other by more than that, and its interval lies above
the other's. Pairs of values that do neither are not mentioned. The intervals are those of the
kernels that the width affects, since the others are common to both.

**Stops** are counted from the widest value down: a stop is the widest value that is cheaper than
the stop above it by more than twice the noise floor. Between two stops, keeping fewer channels
than the upper one gains nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from lpnet.schemas.curve import Advice

# Stands for twice the noise floor if that is unknown: the value of a quiet device.
UNKNOWN_NOISE_PCT = 2.0
# An edge is a fall within this part of the stretch above it, by this multiple of its variation.
_EDGE_PART, _EDGE_TIMES = 4, 2.0
# Min number of teeth of a comb, and min share of the multiples between them that are teeth.
_TEETH, _TEETH_SHARE = 3, 0.75
# The value named beside a cliff is the widest that costs nearly as much as the worst one.
_NEARLY = 0.95
_CLIFFS, _SAMES = 2, 3

Vector = NDArray[np.float64]


def same_within_pct(noise_floor_pct: float | None) -> float:
    return UNKNOWN_NOISE_PCT if noise_floor_pct is None else 2.0 * noise_floor_pct


class Stretch(NamedTuple):
    """Indices `first` to `stop` of a line, none of which is cheaper than `stop`; `below` is the
    next stop, or -1."""

    first: int
    stop: int

    @property
    def below(self) -> int:
        return self.first - 1


@dataclass(frozen=True)
class LineCosts:
    """Compares the values of a line: latencies in ms at ascending `values`, with their intervals
    `low` to `high`, each (N,). `within` is the share by which equal latencies may differ."""

    values: Sequence[int]
    ms: Vector
    low: Vector
    high: Vector
    within: float

    def costs_more(self, index: int, other: int) -> bool:
        beyond = self.ms[index] > self.ms[other] * (1.0 + self.within)
        return bool(beyond and self.low[index] > self.high[other])

    def cost_the_same(self, first: int, last: int) -> bool:
        part = self.ms[first : last + 1]
        return bool(part.max() <= part.min() * (1.0 + self.within))

    def ratio(self, index: int, other: int) -> float:
        return float(self.ms[index] / self.ms[other])

    def rounding_is_free(self, first: int, last: int, step: int) -> bool:
        """Whether no value from `first` to `last` is cheaper than the next multiple of `step`."""
        ms = dict(zip(self.values, self.ms, strict=True))
        return all(
            ms[-(-value // step) * step] <= ms[value] * (1.0 + self.within)
            for value in self.values
            if first <= value <= last
        )

    def stretches(self) -> list[Stretch]:
        """The line cut at its stops, from the widest down."""
        stretches, stop = [], len(self.ms) - 1
        while stop >= 0:
            cheaper = self.ms[:stop] * (1.0 + self.within) < self.ms[stop]
            below = int(cheaper.nonzero()[0][-1]) if cheaper.any() else -1
            stretches.append(Stretch(below + 1, stop))
            stop = below
        return stretches

    def cliff(self, stretch: Stretch) -> int | None:
        """The value of a stretch that costs more than its stop, if any. It is the widest of those
        that cost nearly as much as the worst."""
        inner = self.ms[stretch.first : stretch.stop]
        if not len(inner):
            return None
        worst = stretch.first + int((inner >= _NEARLY * inner.max()).nonzero()[0][-1])
        return worst if self.costs_more(worst, stretch.stop) else None

    def is_flat(self, stretch: Stretch) -> bool:
        """A flat has several values of the same cost, and ends in an edge: a fall to a lower cost
        that is steeper than anything on the stretch."""
        first, stop = stretch
        if stop == first or first == 0 or not self.cost_the_same(first, stop):
            return False
        part = self.ms[first : stop + 1]
        foot = max(0, first - max(1, len(part) // _EDGE_PART))
        foot += int(self.ms[foot:first].argmin())
        fall = self.ms[first] - self.ms[foot]
        return self.costs_more(first, foot) and fall > _EDGE_TIMES * (part.max() - part.min())


def advise(
    values: Sequence[int],
    ms: Vector,
    low: Vector,
    high: Vector,
    noise_floor_pct: float | None = None,
) -> tuple[Advice, ...]:
    """At most seven sentences about latency `ms` (N,) at ascending `values` of a width. The most
    useful comes first.

    `low` and `high` (N,) are the intervals of the kernels that the width affects, plus the
    predicted latency of all others.
    """
    within = same_within_pct(noise_floor_pct) / 100.0
    costs = LineCosts(values, ms, low, high, within)
    noise = "the noise" if noise_floor_pct is not None else f"{100.0 * within:g}%"
    if len(values) < 2:
        return ()
    if costs.cost_the_same(0, len(values) - 1):
        return (_nothing(costs, noise),)
    stretches = costs.stretches()
    cliffs = {part: worst for part in stretches if (worst := costs.cliff(part)) is not None}
    flats = [part for part in stretches if part not in cliffs and costs.is_flat(part)]
    comb = _multiples(costs, [*cliffs, *flats])
    steepest = sorted(cliffs, key=lambda part: -costs.ratio(cliffs[part], part.stop))
    widest = sorted(flats, key=lambda part: part.first - part.stop)
    # One tooth is enough as the example of a comb.
    advice = [
        *comb,
        *(_cliff(costs, cliffs[part], part.stop) for part in steepest[: 1 if comb else _CLIFFS]),
        *(_same(costs, part, noise) for part in widest[: 1 if comb else _SAMES]),
        *_floor(costs, stretches[-1]),
    ]
    return tuple(advice if cliffs or flats else [*_gain(costs), *advice])


def _nothing(costs: LineCosts, noise: str) -> Advice:
    ratio = float(costs.ms.max() / costs.ms.min())
    keep = costs.values[-1]
    text = (
        f"No value changes the latency by more than {100.0 * (ratio - 1.0):.2g}%, which is within "
        f"{noise}: keep {keep}."
    )
    return Advice(kind="noise", text=text, keep=keep, ratio=ratio)


def _multiples(costs: LineCosts, stretches: Sequence[Stretch]) -> list[Advice]:
    # Applies if nearly all stops with a cliff or a flat below them are multiples of a power of
    # two. The max is always a stop, so it does not count against a multiple.
    stops = sorted(costs.values[part.stop] for part in stretches)
    teeth = [value for value in stops if value != costs.values[-1]]
    step = gcd(*teeth)
    step &= -step
    if step and stops[-1] % step == 0:
        teeth = stops
    if len(teeth) < _TEETH:
        return []
    between = (teeth[-1] - teeth[0]) // step + 1
    if step <= costs.values[1] - costs.values[0] or len(teeth) < _TEETH_SHARE * between:
        return []
    if not costs.rounding_is_free(teeth[0], teeth[-1], step):
        return []
    text = f"From {teeth[0]} to {teeth[-1]} channels, round up to a multiple of {step}."
    return [Advice(kind="multiples", text=text, first=teeth[0], last=teeth[-1], multiple=step)]


def _cliff(costs: LineCosts, worst: int, stop: int) -> Advice:
    slow, keep, ratio = costs.values[worst], costs.values[stop], costs.ratio(worst, stop)
    text = f"{slow} channels cost {_times(ratio)} {keep}: keep {keep}."
    return Advice(
        kind="cliff", text=text, keep=keep, first=slow, last=slow, against=keep, ratio=ratio
    )


def _same(costs: LineCosts, stretch: Stretch, noise: str) -> Advice:
    first, keep = costs.values[stretch.first], costs.values[stretch.stop]
    text = f"{first} to {keep} channels cost the same within {noise}: keep {keep}."
    ratio = costs.ratio(stretch.first, stretch.stop)
    return Advice(
        kind="same", text=text, keep=keep, first=first, last=keep, against=keep, ratio=ratio
    )


def _floor(costs: LineCosts, lowest: Stretch) -> list[Advice]:
    # The lowest stretch has no stop below it, so nothing is cheaper than its widest value.
    if lowest.stop == lowest.first:
        return []
    keep = costs.values[lowest.stop]
    first, last = costs.values[lowest.first], costs.values[lowest.stop - 1]
    text = f"Below {keep} channels nothing is gained."
    return [Advice(kind="floor", text=text, keep=keep, first=first, last=last, against=keep)]


def _gain(costs: LineCosts) -> list[Advice]:
    last = len(costs.values) - 1
    half = int(np.searchsorted(costs.values, costs.values[-1] / 2.0, side="right")) - 1
    if half < 0 or not costs.costs_more(last, half):
        return []
    ratio, kept, whole = costs.ratio(half, last), costs.values[half], costs.values[-1]
    text = f"No width stands out; {kept} channels cost {_times(ratio)} {whole}."
    return [Advice(kind="gain", text=text, first=kept, last=kept, against=whole, ratio=ratio)]


def _times(ratio: float) -> str:
    return f"{ratio:.1f} times" if ratio >= 2.0 else f"{ratio:.2f} times"
