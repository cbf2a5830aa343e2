"""Commands that list what the service holds."""

from __future__ import annotations

from itertools import islice
from typing import Annotated, Any

import typer

from lpnet.cli import show
from lpnet.cli.base import Json, TargetName, Token, Url, connect, print_json
from lpnet.cli.prices import Prices, PricesFile, PricesFormat, write_prices
from lpnet.errors import LpnetError
from lpnet.schemas.device import Target
from lpnet.schemas.noise import TargetNoise


def devices(as_json: Json = False, url: Url = None, token: Token = None) -> None:
    """List the devices, the machines that run networks."""
    with connect(url, token) as client:
        devices = client.devices()
    print_json(devices) if as_json else show.print_devices(devices)


def targets(as_json: Json = False, url: Url = None, token: Token = None) -> None:
    """List the targets: device, runtime and mode, with noise floor and LPNet."""
    with connect(url, token) as client:
        targets = client.targets()
        floors = client.noise_floors()
    if as_json:
        print_json([_with_noise(target, floors.get(target.name)) for target in targets])
    else:
        show.print_targets(targets, floors)


def _with_noise(target: Target, floor: TargetNoise | None) -> dict[str, Any]:
    """The target as JSON, with its noise floor in full; null if the service is older."""
    noise = None if floor is None else floor.model_dump(mode="json")
    return target.model_dump(mode="json") | {"noise": noise}


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
    prices: Prices = None,
    out: PricesFile = None,
    format_: PricesFormat = None,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Show the latency table of a target: samples with measured and predicted latency."""
    if prices is None and (out is not None or format_ is not None):
        raise LpnetError("--out and --format belong to --prices SPACE")
    with connect(url, token) as client:
        if prices is not None:
            write_prices(client, target, prices, out, format_)
            return
        info = client.target(target)
        floor = client.noise_floors().get(target)
        table = client.table(target, kind=kind, sort=sort, disturbed=disturbed)
        rows = list(islice(table, limit))
    print_json(rows) if as_json else show.print_table(info, rows, floor)
