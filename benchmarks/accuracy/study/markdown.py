"""The tables of the study, in Markdown."""

from __future__ import annotations

import statistics
import textwrap
from collections.abc import Callable, Sequence

from benchmarks.accuracy.study.comparing import Ratio, excess, geometric_mean, ratio
from benchmarks.accuracy.study.methods import ABLATIONS, title
from benchmarks.accuracy.study.results import PLOTTED_SAMPLES, Results, Row

# Worst predictions and intervals are those of trainings on at least so many rows.
MIN_WORST, MIN_INTERVALS = 100, 300
ABSENT = "-"
# Predictions that are not positive have a factor without meaning.
MAX_SHOWN = 10_000


def summary(results: Results) -> str:
    seeds = sorted({len(row.seeds) for row in results.rows})
    text = (
        f"Run on {results.date}. Trained on one thread of {results.cpu}, with "
        f"{_span(seeds)} seeds for each cell."
    )
    return textwrap.fill(text, 120)


def errors(results: Results) -> str:
    """Mean MAPE over the seeds; a row per table and number of training rows. The lowest of methods
    with all seeds is bold."""
    names = methods(results)
    lines = _header(["table", "rows", "noise floor", *(title(name) for name in names)], texts=1)
    for facts in results.tables:
        for samples in sizes(results):
            own = [results.row(facts.name, samples, name) for name in names]
            if not any(own):
                continue
            seeds = max(len(row.seeds) for row in own if row is not None)
            lowest = min(row.mean_pct for row in own if row and len(row.seeds) == seeds)
            cells = [_lowest(row, lowest) for row in own]
            lines.append(_line([facts.title, str(samples), _percent(facts.floor_pct, 2), *cells]))
    return "\n".join(lines)


def ratios(results: Results) -> str:
    """Excess error of every kind over that of the best other method, and geometric means."""
    kinds = [name for name in methods(results) if _is_kind(results, name)]
    names = ["table", "rows", "best other method", "its excess error", *map(title, kinds)]
    lines = _header(names, texts=1)
    for samples in sizes(results):
        by_kind: dict[str, list[Ratio]] = {kind: [] for kind in kinds}
        for facts in results.tables:
            pairs = {kind: ratio(results, facts.name, samples, kind) for kind in kinds}
            every = [own for own in pairs.values() if own is not None]
            if not every:
                continue
            for own in every:
                by_kind[own.kind].append(own)
            best = results.row(facts.name, samples, every[0].best)
            assert best is not None
            error = _percent(excess(best.mean_pct, facts.floor_pct))
            cells = [_ratio(own) for own in pairs.values()]
            lines.append(_line([facts.title, str(samples), title(best.method), error, *cells]))
        if any(by_kind.values()):
            means = [_geometric(own) for own in by_kind.values()]
            lines.append(_line(["**geometric mean**", str(samples), "", "", *means]))
    return "\n".join(lines)


def worst(results: Results) -> str:
    """The largest factor between prediction and measurement, over all trainings on at least
    MIN_WORST rows."""
    names = methods(results)
    lines = _header(["table", *(title(name) for name in names)], texts=1)
    for facts in results.tables:
        cells = []
        for name in names:
            own = [r for r in _rows(results, facts.name, name) if r.samples >= MIN_WORST]
            cells.append(_factor(max(r.worst_ratio for r in own)) if own else ABSENT)
        lines.append(_line([facts.title, *cells]))
    return "\n".join(lines)


def intervals(results: Results) -> str:
    """Coverage and width of 90% intervals, for trainings on at least MIN_INTERVALS rows."""
    lines = _header(
        ["table", "method", "rows", "inside", "mean width", "by latency", "by distance"], texts=2
    )
    for facts in results.tables:
        for name in methods(results):
            for row in _rows(results, facts.name, name):
                if row.samples >= MIN_INTERVALS and row.covered_pct is not None:
                    lines.append(
                        _line(
                            [
                                facts.title,
                                title(name),
                                str(row.samples),
                                _percent(row.covered_pct),
                                _percent(row.width_pct),
                                _thirds(row.covered_by_latency),
                                _thirds(row.covered_by_distance),
                            ]
                        )
                    )
    return "\n".join(lines)


def cost(results: Results) -> str:
    """Seconds of training and size of the file: mean over tables, and the largest."""
    lines = _header(["method", "rows", "seconds, mean and max", "file, max"], texts=1)
    for name in methods(results):
        for samples in sizes(results):
            own = [r for r in results.rows if (r.method, r.samples) == (name, samples)]
            if not own:
                continue
            seconds = [row.cpu_s for row in own]
            files = [row.file_bytes for row in own if row.file_bytes is not None]
            size = f"{max(files) / 1e6:.2f} MB" if files else ABSENT
            both = f"{sum(seconds) / len(seconds):.1f}, {max(seconds):.1f}"
            lines.append(_line([title(name), str(samples), both, size]))
    return "\n".join(lines)


def ablation(results: Results) -> str:
    """Mean MAPE at PLOTTED_SAMPLES rows with and without the features of alignment, over the seeds
    of both."""
    pairs = [(kind, name) for name, kind in ABLATIONS.items() if _is_kind(results, name)]
    names = [title(name) for pair in pairs for name in pair]
    lines = _header(["table", "rows", *names], texts=1)
    for facts in results.tables:
        cells = []
        for pair in pairs:
            rows = [results.row(facts.name, PLOTTED_SAMPLES, name) for name in pair]
            shared = set.intersection(*(set(row.seeds) if row else set() for row in rows))
            cells += [_percent(_mean_at(row, shared)) for row in rows]
        if any(cell != ABSENT for cell in cells):
            lines.append(_line([facts.title, str(PLOTTED_SAMPLES), *cells]))
    return "\n".join(lines)


PARTS: dict[str, Callable[[Results], str]] = {
    "study summary": summary,
    "study errors": errors,
    "study ratios": ratios,
    "study worst": worst,
    "study intervals": intervals,
    "study cost": cost,
    "study ablation": ablation,
}


def methods(results: Results) -> list[str]:
    """In the order of the rows, without those of the ablation."""
    names = dict.fromkeys(row.method for row in results.rows)
    return [name for name in names if name not in ABLATIONS]


def sizes(results: Results) -> list[int]:
    return sorted({row.samples for row in results.rows})


def _rows(results: Results, table: str, method: str) -> list[Row]:
    own = [row for row in results.rows if (row.table, row.method) == (table, method)]
    return sorted(own, key=lambda row: row.samples)


def _mean_at(row: Row | None, seeds: set[int]) -> float | None:
    """None without seeds."""
    if row is None or not seeds:
        return None
    errors = zip(row.seeds, row.mape_pct, strict=True)
    return statistics.mean(error for seed, error in errors if seed in seeds)


def _is_kind(results: Results, method: str) -> bool:
    return any(row.lpnet for row in results.rows if row.method == method)


def _lowest(row: Row | None, lowest: float) -> str:
    if row is None:
        return ABSENT
    text = _percent(row.mean_pct)
    return f"**{text}**" if row.mean_pct == lowest else text


def _ratio(own: Ratio | None) -> str:
    if own is None:
        return ABSENT
    text = _interval(own.value, own.low, own.high)
    return f"{text}, worse" if own.worse else f"**{text}**" if own.better else text


def _geometric(own: Sequence[Ratio]) -> str:
    return f"{_interval(*geometric_mean(own))}, {len(own)} tables" if own else ABSENT


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.2f}" if low != low else f"{value:.2f} ({low:.2f} to {high:.2f})"


def _factor(value: float) -> str:
    return f"{value:.3g}" if value < MAX_SHOWN else f"over {MAX_SHOWN:,}"


def _thirds(values: Sequence[float] | None) -> str:
    return ABSENT if values is None else ", ".join(f"{value:.0f}%" for value in values)


def _percent(value: float | None, digits: int = 1) -> str:
    return ABSENT if value is None else f"{value:.{digits}f}%"


def _span(values: Sequence[int]) -> str:
    return f"{values[0]}" if len(values) == 1 else f"{values[0]} to {values[-1]}"


def _header(cells: Sequence[str], *, texts: int) -> list[str]:
    """`texts`: the first columns that are left-aligned."""
    rules = ["---"] * texts + ["---:"] * (len(cells) - texts)
    return [_line(cells), f"|{'|'.join(rules)}|"]


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
