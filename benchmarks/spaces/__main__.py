"""Families of networks written by others: exported, solved, pruned at random, counted and run.

    make spaces-bench                      # with an environment of its own in .venv-spaces
    python -m benchmarks.spaces [NAME | PACKAGE ...] [--list] [--again] [--seconds 600]
        [--memory-gb 12] [--prunings 20] [--pruning-seconds 60] [--thorough 1]
        [--records FOLDER] [--write] [--sabotage]

Each family is judged in a process of its own, one after another. A pruned network is compared in
evaluation mode with the dense network in which nothing reads the removed channels
(benchmarks/spaces/reference.py); its counts with those of the pruned module traced anew and with
torch's counter of operations; its concrete model and its pruned ONNX model with the pruned module,
in ONNX Runtime.

Records stay in the folder --records, a file each, and a family with a record is not judged again
without --again. --write collects all of them in benchmarks/spaces/results.json, and writes the
tables in docs/results/spaces.md from it.

--sabotage breaks lpnet on purpose in several ways, and fails unless each is seen.

The packages are no dependencies of lpnet: benchmarks/spaces/requirements.txt lists them. They are
installed without their own dependencies, since torchvision does not import beside a CPU-only
torch; benchmarks/spaces/stand_ins has the parts of it that they import.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.spaces import docs, sabotage
from benchmarks.spaces.catalogue import chosen
from benchmarks.spaces.record import Record, read
from benchmarks.spaces.running import Limits, judge
from benchmarks.spaces.table import figures


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("families", nargs="*", metavar="NAME | PACKAGE")
    parser.add_argument("--list", action="store_true", help="print the names of the families")
    parser.add_argument("--again", action="store_true", help="also judge those with a record")
    parser.add_argument("--seconds", type=float, default=600.0)
    parser.add_argument("--memory-gb", type=float, default=12.0)
    parser.add_argument("--prunings", type=int, default=20)
    parser.add_argument(
        "--pruning-seconds",
        type=float,
        default=60.0,
        help="after them a family is not pruned any more, once it was three times",
    )
    parser.add_argument(
        "--thorough", type=int, default=1, help="prunings that are exported and traced anew"
    )
    parser.add_argument("--records", type=Path, default=Path("lpnet-spaces"))
    parser.add_argument("--write", action="store_true", help="write results.json and the docs")
    parser.add_argument("--sabotage", action="store_true", help="show that errors are seen")
    options = parser.parse_args()
    try:
        families = chosen(options.families)
    except ValueError as error:
        parser.error(str(error))
    if options.list:
        print("\n".join(family.name for family in families))
        return 0
    limits = Limits(options.seconds, options.memory_gb)
    options.records.mkdir(parents=True, exist_ok=True)
    if options.sabotage:
        return sabotage.main(limits, options.records)
    passed = ("prunings", "pruning_seconds", "thorough")
    arguments = [
        part
        for name in passed
        for part in (f"--{name.replace('_', '-')}", str(getattr(options, name)))
    ]
    records = []
    for family in families:
        path = options.records / f"{family.name.replace('/', '--')}.json"
        if options.again or not path.exists():
            records.append(judge(family, path, limits, arguments))
            print(_line(records[-1]), file=sys.stderr, flush=True)
        else:
            records.append(read(path))
    print(figures(records))
    if options.write:
        docs.collect(options.records)
        docs.write()
    return 1 if any(record.failures for record in records) else 0


def _line(record: Record) -> str:
    share = record.frozen_share
    parts = [record.name, f"{record.wall_s:.0f} s", f"{record.widths} widths"]
    parts += [] if share is None else [f"{share:.0%} frozen"]
    parts += [f"{failure.stage}: {failure.error:.200}" for failure in record.failures[:3]]
    return "  ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
