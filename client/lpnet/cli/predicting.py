"""Commands that predict or measure the latency of a network."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lpnet import op_lists
from lpnet.cli import show
from lpnet.cli.base import (
    Batch,
    Json,
    Resolution,
    TargetName,
    Token,
    Url,
    connect,
    print_json,
    read_widths,
)
from lpnet.cli.opening import (
    FrozenLayers,
    OptionalSpaceName,
    Shapes,
    SpaceName,
    open_space,
)
from lpnet.errors import LpnetError
from lpnet.progress import terminal_progress

Widths = Annotated[
    str,
    typer.Option(
        help="`dense`, or JSON: an object {name: channels}, a list of channels in the space's "
        "order, or a list of those. @FILE reads the JSON from a file."
    ),
]


def predict(
    target: TargetName,
    space: OptionalSpaceName = None,
    widths: Widths = "dense",
    ops: Annotated[
        Path | None,
        typer.Option(
            help="Predict a list of ops in place of a space. The file is JSON: a list of ops as "
            'samples, or {"ops": [...], "batch": n}.'
        ),
    ] = None,
    shape: Shapes = None,
    frozen: FrozenLayers = None,
    batch: Batch = None,
    resolution: Resolution = None,
    gradient: Annotated[
        bool,
        typer.Option("--gradient", help="Also print the gradient: ms per channel of each width."),
    ] = False,
    coverage: Annotated[
        float, typer.Option(min=0.01, max=0.999, help="Coverage of the prediction interval.")
    ] = 0.9,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Predict the latency of a network, with an interval."""
    if ops is not None:
        _require_no_space(space, widths, gradient, [shape, frozen, resolution])
        workload = op_lists.read(ops, batch)
        with connect(url, token) as client:
            predictions = [client.predict_ops(target, workload, coverage=coverage)]
        print_json(predictions) if as_json else show.print_predictions(predictions, coverage)
        return
    if space is None:
        raise LpnetError("name a space, or a file of ops with --ops")
    opened = open_space(space, shapes=shape, frozen=frozen, batch=batch, resolution=resolution)
    vectors = read_widths(widths, opened)
    with connect(url, token) as client:
        predictions = client.predict(target, opened, vectors, gradient=gradient, coverage=coverage)
    print_json(predictions) if as_json else show.print_predictions(predictions, coverage)


def _require_no_space(
    space: str | None, widths: str, gradient: bool, others: Sequence[object]
) -> None:
    if space is not None or widths != "dense" or gradient or any(others):
        raise LpnetError(
            "--ops takes no space, and none of --widths, --gradient, --shape, --frozen, "
            "--resolution: a list of ops has no widths"
        )


def measure(
    target: TargetName,
    space: SpaceName,
    widths: Widths = "dense",
    shape: Shapes = None,
    frozen: FrozenLayers = None,
    batch: Batch = None,
    resolution: Resolution = None,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Measure the latency of a network on the device now."""
    opened = open_space(space, shapes=shape, frozen=frozen, batch=batch, resolution=resolution)
    vectors = read_widths(widths, opened)
    with connect(url, token) as client, terminal_progress() as progress:
        samples = client.measure(target, opened, vectors, progress=progress)
    print_json(samples) if as_json else show.print_samples(samples)
