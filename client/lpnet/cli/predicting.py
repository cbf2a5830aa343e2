"""Commands that predict or measure the latency of a network."""

from __future__ import annotations

from typing import Annotated

import typer

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
from lpnet.cli.opening import FrozenLayers, Shapes, SpaceName, open_space
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
    space: SpaceName,
    widths: Widths = "dense",
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
    opened = open_space(space, shapes=shape, frozen=frozen, batch=batch, resolution=resolution)
    vectors = read_widths(widths, opened)
    with connect(url, token) as client:
        predictions = client.predict(target, opened, vectors, gradient=gradient, coverage=coverage)
    print_json(predictions) if as_json else show.print_predictions(predictions, coverage)


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
