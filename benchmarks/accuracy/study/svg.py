"""Panels with logarithmic axes, as an SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 230, 200, 40, 30, 24, 10
COLUMNS, LEGEND = 4, 30
# Colours that most people tell apart (Okabe and Ito).
COLOURS = (
    *("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#888888"),
    *("#999933", "#882255"),
)
_STEPS = (1.0, 2.0, 5.0)
_MAX_TICKS = 6

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Series:
    """`colour` is an index into COLOURS."""

    name: str
    colour: int
    points: Points


@dataclass(frozen=True)
class Panel:
    """`lines`: the points of a series are connected. `diagonal` draws y = x. `x_ticks`: round
    numbers without them."""

    title: str
    x_label: str
    series: Sequence[Series]
    lines: bool = True
    diagonal: bool = False
    x_ticks: Sequence[float] | None = None


def drawing(panels: Sequence[Panel]) -> str:
    """The panels side by side, COLUMNS in a row, with a legend below."""
    rows = math.ceil(len(panels) / COLUMNS)
    width = min(COLUMNS, len(panels)) * WIDTH
    legend, legend_height = _legend(panels, width)
    height = rows * HEIGHT + legend_height
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:g}" '
        f'width="{width}" height="{height:g}" font-family="sans-serif" font-size="10">',
        f'<rect width="{width}" height="{height:g}" fill="#fff"/>',
    ]
    for index, panel in enumerate(panels):
        x, y = index % COLUMNS * WIDTH, index // COLUMNS * HEIGHT
        parts.append(f'<g transform="translate({x} {y})">{_panel(panel)}</g>')
    parts += [f'<g transform="translate(0 {rows * HEIGHT})">{legend}</g>', "</svg>"]
    return "\n".join(parts) + "\n"


def ticks(low: float, high: float) -> list[float]:
    """Round numbers between two positive ones: 1, 2 and 5 times powers of ten, or powers of ten
    where there would be too many."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [step * 10.0**exponent for exponent in exponents for step in _STEPS]
    inside = [tick for tick in every if low <= tick <= high]
    tens = [tick for tick in inside if math.log10(tick).is_integer()]
    return tens if len(inside) > _MAX_TICKS and len(tens) > 1 else inside


class _Axis:
    """From values to pixels, by their logarithm."""

    def __init__(self, values: Sequence[float], start: float, stop: float) -> None:
        self.low, self.high = min(values) / 1.1, max(values) * 1.1
        self.start, self.stop = start, stop

    def __call__(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.stop - self.start), 1)


def _panel(panel: Panel) -> str:
    xs = [x for series in panel.series for x, _ in series.points]
    ys = [y for series in panel.series for _, y in series.points]
    if panel.diagonal:
        xs = ys = [*xs, *ys]
    x_axis = _Axis(xs, LEFT, WIDTH - RIGHT)
    y_axis = _Axis(ys, HEIGHT - BOTTOM, TOP)
    parts = [_frame(panel), _ticks(panel, x_axis, y_axis)]
    if panel.diagonal:
        ends = f"M{x_axis.start} {y_axis.start}L{x_axis.stop} {y_axis.stop}"
        parts.append(f'<path d="{ends}" stroke="#999" fill="none"/>')
    for series in panel.series:
        points = [(x_axis(x), y_axis(y)) for x, y in series.points]
        parts.append(_marks(points, COLOURS[series.colour % len(COLOURS)], panel.lines))
    return "".join(parts)


def _frame(panel: Panel) -> str:
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
    middle = LEFT + width / 2
    return (
        f'<rect x="{LEFT}" y="{TOP}" width="{width}" height="{height}" fill="none" '
        'stroke="#ccc"/>'
        f'<text x="{middle}" y="{TOP - 8}" text-anchor="middle">{escape(panel.title)}</text>'
        f'<text x="{middle}" y="{HEIGHT - 4}" text-anchor="middle" fill="#555">'
        f"{escape(panel.x_label)}</text>"
    )


def _ticks(panel: Panel, x_axis: _Axis, y_axis: _Axis) -> str:
    x_ticks = ticks(x_axis.low, x_axis.high) if panel.x_ticks is None else panel.x_ticks
    parts = [
        f'<text x="{x_axis(tick)}" y="{HEIGHT - BOTTOM + 11}" text-anchor="middle">{tick:g}</text>'
        for tick in x_ticks
        if x_axis.low <= tick <= x_axis.high
    ]
    parts += [
        f'<text x="{LEFT - 4}" y="{y_axis(tick) + 3}" text-anchor="end">{tick:g}</text>'
        f'<path d="M{LEFT} {y_axis(tick)}H{WIDTH - RIGHT}" stroke="#eee"/>'
        for tick in ticks(y_axis.low, y_axis.high)
    ]
    return "".join(parts)


def _marks(points: Points, colour: str, lines: bool) -> str:
    dots = "".join(f"M{x} {y}h0" for x, y in points)
    width = 4 if lines else 3
    marks = f'<path d="{dots}" stroke="{colour}" stroke-width="{width}" stroke-linecap="round"/>'
    if not lines:
        return marks
    path = "L".join(f"{x} {y}" for x, y in points)
    return f'{marks}<path d="M{path}" stroke="{colour}" fill="none" stroke-width="1.5"/>'


def _legend(panels: Sequence[Panel], width: float) -> tuple[str, float]:
    """The names of all series, in lines of at most `width`, and the height of these lines."""
    names = {series.name: series.colour for panel in panels for series in panel.series}
    parts, x, y = [], float(LEFT), LEGEND / 2
    for name, colour in names.items():
        advance = 34 + 5.6 * len(name)
        if x + advance > width and x > LEFT:
            x, y = float(LEFT), y + LEGEND / 2
        parts.append(
            f'<path d="M{x:.0f} {y}h14" stroke="{COLOURS[colour % len(COLOURS)]}" '
            'stroke-width="3"/>'
            f'<text x="{x + 18:.0f}" y="{y + 4}">{escape(name)}</text>'
        )
        x += advance
    return "".join(parts), y + LEGEND / 2
