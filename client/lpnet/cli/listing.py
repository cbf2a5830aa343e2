"""Commands that list what the service holds."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

import typer

from lpnet.cli import show
from lpnet.cli.base import Json, TargetName, Token, Url, connect, print_json


def devices(as_json: Json = False, url: Url = None, token: Token = None) -> None:
    """List the devices, the machines that run networks."""
    with connect(url, token) as client:
        devices = client.devices()
    print_json(devices) if as_json else show.print_devices(devices)


def targets(as_json: Json = False, url: Url = None, token: Token = None) -> None:
    """List the targets: device, runtime and mode, with noise floor and LPNet."""
    with connect(url, token) as client:
        targets = client.targets()
    print_json(targets) if as_json else show.print_targets(targets)


def table(
    target: TargetName,
    kind: Annotated[
        str | None, typer.Option(help="Show only `block` or only `network` samples.")
    ] = None,
    sort: Annotated[
        str, typer.Option(help="Sort by `measured_at` or `latency_ms`.")
    ] = "measured_at",
    disturbed: Annotated[
        bool | None,
        typer.Option(
            "--disturbed/--undisturbed",
            help="Show only disturbed samples, with reasons, or only undisturbed ones.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of rows.")] = 40,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show the latency table of a target: samples with measured and predicted latency."""
    with connect(url, token) as client:
        info = client.target(target)
        table = client.table(target, kind=kind, sort=sort, disturbed=disturbed)
        rows = list(islice(table, limit))
    print_json(rows) if as_json else show.print_table(info, rows)
