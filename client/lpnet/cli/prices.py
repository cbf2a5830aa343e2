"""`lpnet table --prices`: what widths cost, for solvers of knapsacks outside of lpnet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lpnet.cli.opening import open_space
from lpnet.errors import LpnetError

if TYPE_CHECKING:
    from lpnet.client import Client
    from lpnet.predictor.predictor import Predictor

COVERAGE = 0.9
# Values of a width, spread evenly; a solver of a knapsack needs no more.
_MAX_VALUES = 64


class PriceFormat(StrEnum):
    """Forms of a table of prices."""

    json = "json"
    parquet = "parquet"
    layers = "layers"


Prices = Annotated[
    str | None,
    typer.Option(
        metavar="SPACE",
        help="Instead, write what the widths of this space cost on the target, by its LPNet.",
    ),
]
PricesFile = Annotated[
    Path | None, typer.Option(help="File for --prices (default: standard output).")
]
PricesFormat = Annotated[
    PriceFormat | None,
    typer.Option(
        "--format",
        help="Form of --prices: json, parquet (needs pyarrow), or layers, a latency by the "
        "channels of each layer (default: json, or parquet for a file of that name).",
    ),
]


def write_prices(
    client: Client, target: str, name: str, out: Path | None, form: PriceFormat | None
) -> None:
    """Write the prices of a space on a target to a file, or as JSON to standard output."""
    by_suffix = PriceFormat.parquet if out and out.suffix == ".parquet" else PriceFormat.json
    form = form or by_suffix
    predictor = client.predictor(target, open_space(name))
    rows = list(price_rows(predictor))
    if form is PriceFormat.parquet:
        if out is None:
            raise LpnetError("--format parquet needs --out FILE")
        _write_parquet(rows, out)
        return
    facts: dict[str, Any] = {"target": target, "lpnet": predictor.fingerprint}
    facts |= {"space": predictor.space.hash, "unit": "ms", "coverage": COVERAGE}
    table = {"layers": _layers(rows)} if form is PriceFormat.layers else {"rows": rows}
    text = json.dumps(facts | table, indent=2)
    if out is None:
        typer.echo(text)
    else:
        out.write_text(text + "\n", encoding="utf-8")


def price_rows(predictor: Predictor) -> Iterator[dict[str, Any]]:
    """Each width of each block by itself, and of the whole network (`block` is None), at up to 64
    values. The other widths are dense."""
    space = predictor.space
    parts = [(block.name, space.block(block.name)) for block in space.blocks]
    for block, part in [*parts, (None, space)]:
        priced = type(predictor)(predictor.lpnet, part, predictor.batch)
        for width in part.widths:
            line = priced.line(width.name, coverage=COVERAGE)
            # Backwards, so that the dense value is always one of them.
            step = -(-len(line.values) // _MAX_VALUES)
            for index in reversed(range(len(line.values) - 1, -1, -step)):
                yield {
                    "block": block,
                    "width": width.name,
                    "channels": int(line.values[index]),
                    "ms": float(line.ms[index]),
                    "low_ms": float(line.low[index]),
                    "high_ms": float(line.high[index]),
                }


def _layers(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The latency of the network by the channels that one layer keeps, by layer."""
    layers: dict[str, Any] = {}
    for row in rows:
        if row["block"] is None:
            layer = layers.setdefault(row["width"], {"channels": [], "latency_ms": []})
            layer["channels"].append(row["channels"])
            layer["latency_ms"].append(row["ms"])
    return layers


def _write_parquet(rows: list[dict[str, Any]], out: Path) -> None:
    try:
        import pyarrow  # type: ignore[import-not-found,unused-ignore]
        import pyarrow.parquet  # type: ignore[import-not-found,unused-ignore]
    except ModuleNotFoundError as error:
        raise LpnetError("Parquet needs pyarrow: pip install pyarrow") from error
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), out)
