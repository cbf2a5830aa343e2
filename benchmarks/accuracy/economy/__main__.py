"""How many samples an LPNet needs: chosen instead of drawn, and beginning with another target.

    LPNET_DATA=FOLDER python -m benchmarks.accuracy.economy [--parts active transfer]
        [--database FILE] [--seeds 3] [--write]

`active` measures blocks of tables of other people's devices again, from their rows: at random, and
as the planner chooses. `transfer` trains on few samples of a target, from scratch and beginning
with another one. --database is that of a demo with two runtimes (`lpnet demo` leaves it in
lpnet-demo), for targets of one device. Cells are printed as they are computed. --write keeps those
of the parts that ran in benchmarks/accuracy/economy.json, and writes the tables in
docs/results/economy.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.accuracy.economy import active, docs, pairs, results, transfer
from benchmarks.accuracy.economy.results import Results
from lpnet.errors import LpnetError

PARTS = ("active", "transfer")


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--database", type=Path, help="database of a demo with two runtimes")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="write economy.json and the docs")
    options = parser.parse_args()
    try:
        whole = _run(options)
    except LpnetError as error:
        print(error, file=sys.stderr)
        return 2
    if options.write:
        results.write(whole)
        docs.write()
    return 0


def _run(options: argparse.Namespace) -> Results:
    before = results.read()
    replayed, transferred = list(before.active), list(before.transfer)
    if "active" in options.parts:
        replayed = []
        for name in active.TABLES:
            for cell in active.cells(name, options.seeds):
                print(cell, flush=True)
                replayed.append(cell)
    if "transfer" in options.parts:
        transferred = []
        runtimes = () if options.database is None else pairs.runtime_pairs(options.database)
        for pair in (*runtimes, *pairs.TABLE_PAIRS):
            for row in transfer.cells(pair, options.seeds):
                print(row, flush=True)
                transferred.append(row)
    return Results(replayed, transferred)


if __name__ == "__main__":
    sys.exit(main())
