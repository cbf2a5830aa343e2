"""Commands that import and export samples."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lpnet import samples_file
from lpnet.cli.base import Json, TargetName, Token, Url, connect, print_json
from lpnet.cli.opening import open_space
from lpnet.errors import LpnetError

_MAX_SHOWN_LINES = 20


def import_(
    file: Annotated[Path, typer.Argument(help="Samples file in JSON lines.")],
    target: Annotated[
        str, typer.Option(help="Name of the target; it is created if there is none.")
    ],
    spaces: Annotated[
        list[str] | None,
        typer.Option(
            "--space",
            help="Also upload this space, which the samples refer to: a network of the zoo or a "
            "file. Repeatable.",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Skip wrong lines and import the others.")
    ] = False,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Import samples measured elsewhere.

    If a line is wrong, its number and the reason are printed and nothing is imported, except with
    --skip-bad. Importing the same file again stores nothing twice.
    """
    with connect(url, token) as client:
        content = samples_file.read(file, target=target)
        for name in spaces or ():
            client.upload(open_space(name))
        good = dict(zip(content.lines, content.samples, strict=True))
        errors = client.check_samples(target, content.samples)
        bad = [*content.bad]
        bad += [samples_file.BadLine(content.lines[i], reason) for i, reason in errors.items()]
        for line in bad:
            good.pop(line.number, None)
        for line in sorted(bad, key=lambda line: line.number)[:_MAX_SHOWN_LINES]:
            typer.secho(f"{file}: {line}", err=True, fg=typer.colors.YELLOW)
        if len(bad) > _MAX_SHOWN_LINES:
            typer.secho(f"{file}: and {len(bad) - _MAX_SHOWN_LINES} more wrong lines", err=True)
        if bad and not skip_bad:
            raise LpnetError(
                f"{len(bad)} of {len(bad) + len(good)} lines are wrong; nothing was imported. "
                "--skip-bad imports the others."
            )
        if not good:
            raise LpnetError(f"{file} holds no samples")
        result = client.import_samples(target, good.values())
    if as_json:
        print_json({**result.model_dump(), "skipped": len(bad)})
    else:
        typer.echo(
            f"{result.stored} samples stored, {result.known} already stored, {len(bad)} skipped"
        )


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
