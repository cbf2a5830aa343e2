"""The option `--version`, which the three commands share."""

from __future__ import annotations

from typing import Annotated

import typer

from lpnet import __version__


def _print_version(ctx: typer.Context, requested: bool) -> None:
    if requested:
        typer.echo(f"{ctx.info_name} {__version__}")
        raise typer.Exit


Version = Annotated[
    bool,
    typer.Option(
        "--version", callback=_print_version, is_eager=True, help="Print the version and exit."
    ),
]
