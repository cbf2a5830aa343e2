"""Deleting what was imported by mistake."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import typer

from lpnet.cli.base import TargetName, Token, Url, connect
from lpnet.errors import LpnetError

_FORMATS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z", "%Y-%m-%d"]
Samples = Annotated[
    list[str] | None,
    typer.Option("--sample", metavar="ID", help="Delete only this sample. Repeatable."),
]
From = Annotated[
    datetime | None,
    typer.Option(formats=_FORMATS, help="Delete only samples that were stored since this time."),
]
To = Annotated[
    datetime | None,
    typer.Option(formats=_FORMATS, help="The last time of --stored-from; default: now."),
]


def delete(
    target: TargetName,
    sample: Samples = None,
    stored_from: From = None,
    stored_to: To = None,
    url: Url = None,
    token: Token = None,
) -> None:
    """Delete samples of a target, or a target that has none.

    The time at which an import stored its samples is their `stored_at`. Times without a zone are
    local. LPNets and reports that were trained with deleted samples stay as they are.
    """
    if stored_to is not None and stored_from is None:
        raise LpnetError("--stored-to needs --stored-from")
    with connect(url, token) as client:
        if sample or stored_from is not None:
            start = None if stored_from is None else stored_from.astimezone()
            end = None if stored_to is None else stored_to.astimezone()
            count = client.delete_samples(target, sample or (), stored_from=start, stored_to=end)
            what = "1 sample" if count == 1 else f"{count:,} samples"
            typer.echo(f"deleted {what} of {target}")
        else:
            client.delete_target(target)
            typer.echo(f"deleted target {target}")
