"""Commands that list what the service holds."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from lpnet.cli import show
from lpnet.cli.base import Json, TargetName, Token, Url, connect, print_json


def devices(as_json: Json = False, url: Url = None, token: Token = None) -> None:
    """List the devices: physical things that run networks."""
    with connect(url, token) as client:
        found = client.devices()
    print_json(found) if as_json else show.devices(found)


def targets(as_json: Json = False, url: Url = None, token: Token = None) -> None:
    """List the targets: a device with a runtime in a mode, its noise floor and its LPNet."""
    with connect(url, token) as client:
        found = client.targets()
    print_json(found) if as_json else show.targets(found)


def table(
    target: TargetName,
    kind: Annotated[
        str | None, typer.Option(help="Only `block` or only `network` samples.")
    ] = None,
    sort: Annotated[str, typer.Option(help="`measured_at` or `latency_ms`.")] = "measured_at",
    disturbed: Annotated[
        bool | None,
        typer.Option(
            "--disturbed/--undisturbed",
            help="Only disturbed samples, with their reasons, or only the others.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Rows to show.")] = 40,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show the latency table of a target: every sample, measured beside predicted."""
    with connect(url, token) as client:
        about = client.target(target)
        found = client.table(target, kind=kind, sort=sort, disturbed=disturbed)
        rows = list(islice(found, limit))
    print_json(rows) if as_json else show.table(about, rows)
