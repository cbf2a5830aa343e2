"""`lpnet space`: the space of a network, and its file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lpnet.cli import show
from lpnet.cli.base import Json, Token, Url, connect, open_space, print_json
from lpnet.cli.models import call_factory
from lpnet.errors import LpnetError

if TYPE_CHECKING:
    from lpnet.space.space import Space


def space(
    name: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A network of the zoo, a space file, or a function pkg.mod:factory that returns "
            "a torch.nn.Module.",
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Write the space to this file.")] = None,
    shape: Annotated[
        str,
        typer.Option(help="Input shape of the model of a factory: batch,channels,height,width."),
    ] = "1,3,224,224",
    upload: Annotated[
        bool, typer.Option("--upload", help="Also upload the space to the service.")
    ] = False,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Turn a network into a space: print its widths and blocks, or write it to a file.

    The file is an ONNX graph without weights, a few kilobytes; `lpnet-agent measure --space`
    reads it on any machine.
    """
    opened = _from_factory(name, shape) if ":" in name else open_space(name)
    if out is not None:
        opened.save(out)
        typer.echo(f"wrote {out}", err=True)
    if upload:
        with connect(url, token) as client:
            client.upload(opened)
    if as_json:
        print_json(show.space_facts(opened))
    else:
        show.print_space(opened)


def _from_factory(name: str, shape: str) -> Space:
    import torch

    from lpnet.space.space import Space

    try:
        sizes = [int(part) for part in shape.split(",")]
    except ValueError as error:
        raise LpnetError(f"--shape {shape}: expected four numbers separated by commas") from error
    model = call_factory(name)
    try:
        example = torch.randn(*sizes)
    except RuntimeError as error:
        raise LpnetError(f"--shape {shape}: {error}") from error
    return Space.from_model(model, example, name=name.partition(":")[2])
