"""Errors of one LPNet on squeeze-excite, concat, split, FFN, attention and their like.

    python -m benchmarks.accuracy.kinds [--quick] [--database FILE] [--minutes 15]
        [--only-train] [--seed 0] [--write]

Profiles blocks and networks of each kind on this machine with ONNX Runtime and one thread, as
`lpnet profile` does: campaigns of a service, measured by an agent. Trains one LPNet on some of
them, and compares it with the others, beside fits on FLOPs and bytes to the same samples.

The samples stay in --database. A second run measures only what is missing, and --only-train
measures nothing. Measuring ends after --minutes, and the rest is judged with what there is; a
training takes some minutes more. --quick measures a few workloads of a few kinds, in about a
minute. --write writes benchmarks/accuracy/kinds.json, and the tables in docs/results/accuracy.md.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.accuracy.kinds import docs, measuring, results
from benchmarks.accuracy.kinds.catalogue import cases
from benchmarks.accuracy.kinds.judging import judge
from benchmarks.accuracy.kinds.tables import PARTS
from lpnet.errors import LpnetError
from lpnet.progress import terminal_progress


def main() -> int:
    assert __doc__ is not None
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--quick", action="store_true", help="few workloads, for development")
    parser.add_argument(
        "--database", type=Path, help="file of the samples (default: one in lpnet-kinds)"
    )
    parser.add_argument("--minutes", type=float, default=15.0, help="to measure for at most")
    parser.add_argument("--only-train", action="store_true", help="measure nothing")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", action="store_true", help="write kinds.json and the docs")
    options = parser.parse_args()
    name = "quick.db" if options.quick else "kinds.db"
    database = options.database or Path("lpnet-kinds", name)
    if options.only_train and not database.exists():
        parser.error(f"there is no {database}")
    try:
        result = _run(options, database)
    except LpnetError as error:
        print(error, file=sys.stderr)
        return 1
    for render in PARTS.values():
        print(f"{render(result)}\n")
    if options.write:
        results.write(result)
        docs.write()
    return 0


def _run(options: argparse.Namespace, database: Path) -> results.Results:
    chosen = cases(quick=options.quick)
    folder = measuring.folder_of(database) / "spaces"
    built = [(case.space(folder), case) for case in chosen]
    seconds = None
    if not options.only_train:
        seconds = measuring.measure(
            chosen, database, seed=options.seed, limit_s=60 * options.minutes
        )
    with terminal_progress() as progress:
        return judge(
            measuring.read(database),
            {space.hash: case for space, case in built},
            {space.hash: space for space, _ in built},
            seed=options.seed,
            quick=options.quick,
            measuring_s=seconds,
            progress=progress,
        )


if __name__ == "__main__":
    sys.exit(main())
