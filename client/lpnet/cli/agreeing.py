"""`lpnet compare A B --noise`: do two targets, or two days, agree within their noise?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NoReturn

import typer

from lpnet import samples_file
from lpnet.agreement import Agreement, MeasuredSide, agreement, measured_side
from lpnet.cli.base import connect, print_json
from lpnet.cli.layout import print_line
from lpnet.client import Client
from lpnet.errors import LpnetError

# Status 1 is any error, 2 a wrong use of the command.
EXIT_DIFFER, EXIT_UNKNOWN = 3, 4
_EXIT = {"agree": 0, "differ": EXIT_DIFFER, "unclear": EXIT_UNKNOWN, "unknown": EXIT_UNKNOWN}
_VERDICTS = {
    "agree": "they agree within their noise floors",
    "differ": "they differ by more than their noise floors",
    "unclear": "it is unclear whether they agree within their noise floors",
    "unknown": "it is unknown whether they agree within their noise floors",
}


def compare_noise(
    names: Sequence[str], as_json: bool, url: str | None, token: str | None
) -> NoReturn:
    """Print whether two targets or samples files agree. Exits with the status of the verdict.

    Raises LpnetError, also for another number than two, and for a file with a wrong line.
    """
    if len(names) != 2:
        raise LpnetError(f"--noise compares two targets or samples files, got {len(names)}")
    files = {name: Path(name) for name in names if Path(name).is_file()}
    sides = {name: _file_side(name, file) for name, file in files.items()}
    if len(files) < len(set(names)):
        with connect(url, token) as client:
            sides |= {name: _target_side(client, name) for name in names if name not in files}
    a, b = (sides[name] for name in names)
    result = agreement(a, b)
    if as_json:
        print_json(_facts(a, b, result))
    else:
        _print(a, b, result)
    raise typer.Exit(_EXIT[result.verdict])


def _file_side(name: str, file: Path) -> MeasuredSide:
    content = samples_file.read(file)
    if content.bad:
        raise LpnetError(f"{file}: {content.bad[0]}")
    return measured_side(name, content.samples)


def _target_side(client: Client, name: str) -> MeasuredSide:
    epoch = client.target(name).epoch
    samples = client.samples(target=name, disturbed=False)
    return measured_side(name, (sample for sample in samples if sample.epoch == epoch))


def _facts(a: MeasuredSide, b: MeasuredSide, result: Agreement) -> dict[str, Any]:
    sides = [{"name": side.name, **asdict(side.floor)} for side in (a, b)]
    return {"sides": sides, **asdict(result)}


def _print(a: MeasuredSide, b: MeasuredSide, result: Agreement) -> None:
    for side in (a, b):
        floor = side.floor
        if floor.pct is None:
            print_line(f"{side.name}: noise floor unknown: {floor.reason}")
        else:
            print_line(
                f"{side.name}: noise floor {floor.pct:.2f}% (95% interval {floor.low_pct:.2f} to "
                f"{floor.high_pct:.2f}%, {floor.workloads} workloads)"
            )
    print_line(f"{result.workloads} workloads in common")
    if result.ratio_interval is not None and result.difference_interval_pct is not None:
        low, high = result.ratio_interval
        print_line(
            f"latency of {b.name} over that of {a.name}: median {result.ratio:.4f} (95% interval "
            f"{low:.4f} to {high:.4f})"
        )
        low, high = result.difference_interval_pct
        print_line(
            f"median difference: {result.difference_pct:.2f}% (95% interval {low:.2f} to "
            f"{high:.2f}%)"
        )
    if result.floor_pct is not None:
        print_line(
            f"combined noise floor: {result.floor_pct:.2f}%; {result.within_pct:.0f}% of the "
            "workloads differ by at most twice that (about 82% if only noise differs)"
        )
    print_line(f"{_VERDICTS[result.verdict]}: {result.reason}")
