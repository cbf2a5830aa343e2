"""`lpnet compare`: targets beside each other."""

from __future__ import annotations

from typing import Annotated

import typer

from lpnet.cli import agreeing, show_compare
from lpnet.cli.base import Json, Token, Url, connect, print_json


def compare(
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET TARGET...",
            help="Two to six targets; ratios are relative to the first. With --noise also samples "
            "files.",
        ),
    ],
    blocks: Annotated[int, typer.Option(min=0, help="Maximum number of blocks to show.")] = 20,
    noise: Annotated[
        bool,
        typer.Option(
            "--noise",
            help="Say whether two targets, or two samples files, agree within their noise floors. "
            "Exit status: 0 they do, 3 they differ, 4 it cannot be told.",
        ),
    ] = False,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Compare targets on the blocks and networks that all of them measured."""
    if noise:
        agreeing.compare_noise(targets, as_json, url, token)
    with connect(url, token) as client:
        summary = client.compare(targets)
    print_json(summary) if as_json else show_compare.print_summary(summary, blocks)
