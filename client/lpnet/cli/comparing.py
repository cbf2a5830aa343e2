"""`lpnet compare`: targets beside each other."""

from __future__ import annotations

from typing import Annotated

import typer

from lpnet.cli import show_compare
from lpnet.cli.base import Json, Token, Url, connect, print_json


def compare(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET TARGET...",
            help="Two to six targets; ratios are relative to the first.",
        ),
    ],
    blocks: Annotated[int, typer.Option(min=0, help="Maximum number of blocks to show.")] = 20,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Compare targets on the blocks and networks that all of them measured."""
    with connect(url, token) as client:
        summary = client.compare(targets)
    print_json(summary) if as_json else show_compare.print_summary(summary, blocks)
