"""The plots of the study: errors by number of rows and by width, predicted against measured."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.accuracy.study.markdown import methods, sizes
from benchmarks.accuracy.study.methods import title
from benchmarks.accuracy.study.results import PLOTTED_SAMPLES, Results
from benchmarks.accuracy.study.svg import Panel, Series, drawing

# More lines would hide one another.
WIDTH_METHODS = ("op_process", "ensemble", "mixture", "gaussian_process", "boosting")


def learning_curves(results: Results) -> str:
    names = methods(results)
    panels = []
    for facts in results.tables:
        series = []
        for colour, name in enumerate(names):
            own = [r for r in results.rows if (r.table, r.method) == (facts.name, name)]
            points = sorted((float(row.samples), row.mean_pct) for row in own)
            if points:
                series.append(Series(title(name), colour, points))
        if series:
            label = "training rows (y: MAPE, %)"
            panels.append(Panel(facts.title, label, series, x_ticks=sizes(results)))
    return drawing(panels)


def predicted_against_measured(results: Results) -> str:
    """Of the kind of latency model with the smallest error at PLOTTED_SAMPLES rows, and of the
    best other method, on each table."""
    panels = []
    for facts in results.tables:
        own = [
            row
            for row in results.rows
            if (row.table, row.samples) == (facts.name, PLOTTED_SAMPLES) and row.pairs
        ]
        series = []
        for lpnet, label in ((False, "best other method"), (True, "best LPNet")):
            rows = [row for row in own if row.lpnet == lpnet]
            if rows:
                best = min(rows, key=lambda row: row.mean_pct)
                series.append(Series(label, int(not lpnet), best.pairs))
        if series:
            label = "measured ms (y: predicted ms)"
            panels.append(Panel(facts.title, label, series, lines=False, diagonal=True))
    return drawing(panels)


def errors_by_width(results: Results) -> str:
    """At PLOTTED_SAMPLES rows."""
    names = methods(results)
    panels = []
    for facts in results.tables:
        series = []
        for colour, name in enumerate(names):
            row = results.row(facts.name, PLOTTED_SAMPLES, name)
            if name in WIDTH_METHODS and row is not None and row.by_width:
                series.append(Series(title(name), colour, row.by_width))
        if series:
            panels.append(Panel(facts.title, "channels (y: MAPE, %)", series))
    return drawing(panels)


PLOTS: dict[str, Callable[[Results], str]] = {
    "accuracy-learning-curves.svg": learning_curves,
    "accuracy-predicted.svg": predicted_against_measured,
    "accuracy-by-width.svg": errors_by_width,
}
