"""Commands that import and export samples."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpnet import csv_samples, op_lists, samples_file
from lpnet.cli.base import Json, TargetName, Token, Url, connect, print_json
from lpnet.cli.opening import open_space
from lpnet.errors import LpnetError, NotAllowed
from lpnet.samples_file import BadLine, SamplesFile

if TYPE_CHECKING:
    from lpnet.client import Client
    from lpnet.schemas.sample import Sample
    from lpnet.space.space import Space

_MAX_SHOWN_LINES = 20
_MAX_COMPARED = 5_000


File = Annotated[
    Path, typer.Argument(help="Samples file in JSON lines, or a table FILE.csv or FILE.tsv.")
]
Target = Annotated[str, typer.Option(help="Name of the target; it is created if there is none.")]
Spaces = Annotated[
    list[str] | None,
    typer.Option(
        "--space",
        help="Also upload this space, which the samples refer to: a network of the zoo or a "
        "file. Of a CSV file, the columns are then widths of it. Repeatable.",
    ),
]
Block = Annotated[str | None, typer.Option(help="Block of the space that a CSV file measured.")]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="FIELD=COLUMN",
        help="Column of a CSV file that holds a field, such as latency_ms=time. A field in a "
        "column of its own name needs none. Repeatable.",
    ),
]
Unit = Annotated[
    str | None,
    typer.Option(
        help="Unit of latencies in a CSV file: ms, s or us (default: ms, which is checked)."
    ),
]
SkipBad = Annotated[
    bool, typer.Option("--skip-bad", help="Skip wrong lines and import the others.")
]


def import_(
    file: File,
    target: Target,
    spaces: Spaces = None,
    block: Block = None,
    columns: Columns = None,
    unit: Unit = None,
    skip_bad: SkipBad = False,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Import samples measured elsewhere.

    If a line is wrong, its number and the reason are printed and nothing is imported, except with
    --skip-bad. Importing the same file again stores nothing twice.
    """
    opened = [open_space(name) for name in spaces or ()]
    is_csv = file.suffix.lower() in (".csv", ".tsv")
    if is_csv:
        content = _read_csv(file, target, opened, block, columns or (), unit)
    elif block is not None or columns or unit is not None:
        raise LpnetError("--block, --column and --unit are for files named .csv or .tsv")
    else:
        content = samples_file.read(file, target=target)
    with connect(url, token) as client:
        if is_csv:
            _check_table(client, target, content.samples, unit)
        for space in opened:
            client.upload(space)
        good, bad = _checked(client, target, content)
        _report_bad(file, bad, len(good), skip_bad=skip_bad)
        if not good:
            raise LpnetError(f"{file} holds no samples")
        result = client.import_samples(target, good)
    if as_json:
        print_json({**result.model_dump(), "skipped": len(bad)})
    else:
        typer.echo(
            f"{result.stored} samples stored, {result.known} already stored, {len(bad)} skipped"
        )


def _read_csv(
    file: Path,
    target: str,
    spaces: Sequence[Space],
    block: str | None,
    columns: Sequence[str],
    unit: str | None,
) -> SamplesFile:
    if unit is not None and unit not in csv_samples.TO_MS:
        raise LpnetError(f"--unit must be one of {', '.join(csv_samples.TO_MS)}, got {unit}")
    if len(spaces) > 1:
        raise LpnetError("a CSV file holds samples of one --space")
    if block is not None and not spaces:
        raise LpnetError("--block needs the --space that it is of")
    form = csv_samples.CsvFormat(
        csv_samples.parse_columns(columns), unit or "ms", next(iter(spaces), None), block
    )
    content, unused = csv_samples.read(file, form, target=target)
    if unused:
        _warn(f"{file}: columns that are not used: {', '.join(unused)}")
    return content


def _check_table(client: Client, target: str, samples: Sequence[Sample], unit: str | None) -> None:
    """Warn of copies and sorted rows. Raises LpnetError if latencies seem not to be in ms."""
    from lpnet import table_checks

    for warning in table_checks.warnings(samples):
        _warn(warning)
    if unit is not None:
        return
    stored: list[Sample] = []
    # A token that only stores samples reads none.
    with contextlib.suppress(NotAllowed):
        if any(known.name == target for known in client.targets()):
            stored += islice(client.samples(target=target), _MAX_COMPARED)
    doubt = table_checks.unit_doubt(samples, stored)
    if doubt is not None:
        raise LpnetError(
            f"latencies seem not to be in milliseconds: {doubt}. Pass --unit s or --unit us if "
            "they are in seconds or microseconds, or --unit ms to import them as they are"
        )


def _checked(
    client: Client, target: str, content: SamplesFile
) -> tuple[list[Sample], list[BadLine]]:
    """The samples that the service takes, and the wrong lines in order."""
    good = dict(zip(content.lines, content.samples, strict=True))
    errors = op_lists.sample_errors(content.samples)
    errors |= client.check_samples(target, content.samples)
    bad = [*content.bad]
    bad += [BadLine(content.lines[index], reason) for index, reason in errors.items()]
    for line in bad:
        good.pop(line.number, None)
    return list(good.values()), sorted(bad, key=lambda line: line.number)


def _report_bad(file: Path, bad: Sequence[BadLine], good: int, *, skip_bad: bool) -> None:
    for line in bad[:_MAX_SHOWN_LINES]:
        _warn(f"{file}: {line}")
    if len(bad) > _MAX_SHOWN_LINES:
        typer.secho(f"{file}: and {len(bad) - _MAX_SHOWN_LINES} more wrong lines", err=True)
    if bad and not skip_bad:
        raise LpnetError(
            f"{len(bad)} of {len(bad) + good} lines are wrong; nothing was imported. "
            "--skip-bad imports the others."
        )


def _warn(message: str) -> None:
    typer.secho(message, err=True, fg=typer.colors.YELLOW)


def export(
    target: TargetName,
    format_: Annotated[
        str, typer.Option("--format", help="File format: `jsonl` or `csv`.")
    ] = "jsonl",
    out: Annotated[
        Path | None, typer.Option(help="File to write (default: standard output).")
    ] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Export the samples of a target. `lpnet import` reads the JSON lines again."""
    if format_ not in ("jsonl", "csv"):
        raise LpnetError(f"--format must be jsonl or csv, got {format_}")
    with connect(url, token) as client:
        chunks = client.export(target, format_)
        if out is None:
            for chunk in chunks:
                sys.stdout.buffer.write(chunk)
            return
        draft = out.with_name(out.name + ".part")
        with draft.open("wb") as file:
            file.writelines(chunks)
        draft.replace(out)
    typer.echo(f"wrote {out}", err=True)
