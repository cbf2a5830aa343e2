"""Every latency predictor on tables of other people's devices, at several numbers of samples.

    LPNET_DATA=FOLDER python -m benchmarks.accuracy.study [--tables tfnas-gpu ...]
        [--methods ensemble gaussian_process ...] [--samples 30 100 300 1000 3000] [--seeds 5]
        [--cache lpnet-accuracy] [--cached] [--write]

Each cell is a method trained on so many rows of a table, drawn with a seed: the same rows for all
methods. Cells are kept in --cache, and computed again only where the code behind them changed, so
a run that was stopped continues. --cached trains nothing. --write writes the cells that there are,
of these tables, methods, numbers and seeds, to benchmarks/accuracy/study.json, and from there the
tables and plots of docs/results/accuracy.md.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

from benchmarks.accuracy.study import docs, results, tables
from benchmarks.accuracy.study.cells import Cache, Cell, Key, run
from benchmarks.accuracy.study.draws import Draw, draw, enough
from benchmarks.accuracy.study.markdown import PARTS
from benchmarks.accuracy.study.methods import Method, chosen
from benchmarks.accuracy.study.results import Results, TableFacts
from benchmarks.accuracy.study.tables import Table
from lpnet.errors import LpnetError
from lpnet_agent.device_info.facts import cpu_and_flags

SAMPLES = (30, 100, 300, 1000, 3000)


def main() -> int:
    options = _options()
    try:
        loaded = [tables.load(name) for name in options.tables]
        methods = chosen(options.methods)
    except LpnetError as error:
        print(error, file=sys.stderr)
        return 2
    digests = {method.name: method.digest() for method in methods}
    cache = Cache(options.cache)
    if not options.cached:
        for table, samples, seed in _draws(options, loaded):
            keys = _keys(table, samples, seed, digests)
            _fill(cache, table, [(m, keys[m.name]) for m in methods])
    every = [_keys(*drawn, digests).values() for drawn in _draws(options, loaded)]
    cells = list(cache.of(chain.from_iterable(every)))
    report = _results(cells, loaded, methods)
    for render in PARTS.values():
        print(f"{render(report)}\n")
    if options.write:
        results.write(report)
        docs.write()
    return 0


def _options() -> argparse.Namespace:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(
        description=__doc__.split("\n")[0],
        epilog="The tables are in the folder latency of the folder that LPNET_DATA names.",
    )
    parser.add_argument("--tables", nargs="+", default=list(tables.SOURCES), metavar="TABLE")
    parser.add_argument("--methods", nargs="+", metavar="METHOD", help="default: all")
    parser.add_argument("--samples", nargs="+", type=int, default=SAMPLES, metavar="N")
    parser.add_argument("--seeds", type=int, default=5, help="draws of each table and number")
    parser.add_argument("--cache", type=Path, default=Path("lpnet-accuracy"))
    parser.add_argument("--cached", action="store_true", help="train nothing")
    parser.add_argument("--write", action="store_true", help="write study.json and the docs")
    return parser.parse_args()


def _draws(options: argparse.Namespace, loaded: list[Table]) -> Iterator[tuple[Table, int, int]]:
    """Small trainings first, and all tables before the next seed."""
    for samples in sorted(options.samples):
        for seed in range(options.seeds):
            for table in loaded:
                if enough(table, samples):
                    yield table, samples, seed


def _keys(table: Table, samples: int, seed: int, digests: dict[str, str]) -> dict[str, Key]:
    return {name: Key(table.name, samples, seed, name, own) for name, own in digests.items()}


def _fill(cache: Cache, table: Table, methods: list[tuple[Method, Key]]) -> None:
    missing = [(method, key) for method, key in methods if key not in cache.cells]
    if not missing:
        return
    rows: Draw = draw(table, missing[0][1].samples, missing[0][1].seed)
    for method, key in missing:
        cell = run(method, rows, key)
        cache.add(cell)
        print(_progress(cell), flush=True)


def _progress(cell: Cell) -> str:
    key = cell.key
    label = f"{key.table} {key.samples} seed {key.seed} {key.method}"
    if cell.figures is None:
        return f"{label}: {cell.reason}"
    own = cell.figures
    return f"{label}: {own.mape_pct:.2f}%, worst {own.worst_ratio:.2f}, {own.cpu_s:.1f} s"


def _results(cells: list[Cell], loaded: list[Table], methods: list[Method]) -> Results:
    kinds = frozenset(method.name for method in methods if method.lpnet)
    order = [method.name for method in methods]
    return Results(
        date=datetime.now(UTC).date().isoformat(),
        cpu=cpu_and_flags()[0] or "an unknown CPU",
        tables=[TableFacts(t.name, t.title, len(t), t.floor_pct) for t in loaded],
        rows=results.rows(sorted(cells, key=lambda c: order.index(c.key.method)), kinds),
    )


if __name__ == "__main__":
    sys.exit(main())
