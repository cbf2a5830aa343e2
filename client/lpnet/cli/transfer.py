"""Commands that move samples in and out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lpnet import samples as files
from lpnet.cli.base import Json, TargetName, Token, Url, connect, open_space, print_json
from lpnet.errors import LpnetError

SHOWN = 20


def import_(
    file: Annotated[Path, typer.Argument(help="Samples file: JSON lines.")],
    target: Annotated[str, typer.Option(help="Target; made where there is none of that name.")],
    spaces: Annotated[
        list[str] | None,
        typer.Option(
            "--space",
            help="A space that the samples name, for a service that has never seen it: a network "
            "of the zoo or a file. May be given several times.",
        ),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave wrong lines out and import the rest.")
    ] = False,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Import samples measured elsewhere.

    A wrong line is named with its number and reason, and then nothing of the file is imported,
    unless --skip-bad asks for the rest. Importing a file again stores nothing twice.
    """
    with connect(url, token) as client:
        read = files.read(file, target=target)
        for name in spaces or ():
            client.upload(open_space(name))
        good = dict(zip(read.lines, read.samples, strict=True))
        refused = client.check_samples(target, read.samples)
        bad = [*read.bad, *(files.BadLine(read.lines[i], why) for i, why in refused.items())]
        for line in bad:
            good.pop(line.number, None)
        for line in sorted(bad, key=lambda line: line.number)[:SHOWN]:
            typer.secho(f"{file}: {line}", err=True, fg=typer.colors.YELLOW)
        if len(bad) > SHOWN:
            typer.secho(f"{file}: and {len(bad) - SHOWN} more wrong lines", err=True)
        if bad and not skip_bad:
            raise LpnetError(
                f"{len(bad)} of {len(bad) + len(good)} lines are wrong; nothing was imported. "
                "--skip-bad imports the others."
            )
        if not good:
            raise LpnetError(f"{file} holds no sample")
        result = client.import_samples(target, good.values())
    if as_json:
        print_json({**result.model_dump(), "skipped": len(bad)})
    else:
        typer.echo(
            f"{result.stored} samples stored, {result.known} known before, {len(bad)} skipped"
        )


def export(
    target: TargetName,
    format_: Annotated[str, typer.Option("--format", help="`jsonl` or `csv`.")] = "jsonl",
    out: Annotated[
        Path | None, typer.Option(help="File to write; standard output if absent.")
    ] = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Export a target's samples; JSON lines can be imported again as they are."""
    if format_ not in ("jsonl", "csv"):
        raise LpnetError(f"--format {format_}: jsonl or csv")
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
