"""`lpnet space`: the space of a network, its picture, and its file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lpnet.cli.base import Json, Token, Url, connect, print_json
from lpnet.cli.opening import FrozenLayers, Shapes, open_space


def space(
    name: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="A network of the zoo, an ONNX file, a space file, or a function pkg.mod:factory "
            "that returns a torch.nn.Module.",
        ),
    ],
    shape: Shapes = None,
    frozen: FrozenLayers = None,
    save: Annotated[
        Path | None, typer.Option("--save", "--out", help="Write the space to this file.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(
            help="Draw the blocks with their widths into this SVG file; frozen layers are shaded."
        ),
    ] = None,
    upload: Annotated[
        bool, typer.Option("--upload", help="Also upload the space to the service.")
    ] = False,
    as_json: Json = False,
    url: Url = None,
    token: Token = None,
) -> None:
    """Turn a network into a space: what can be pruned, what is frozen and why.

    The file that --save writes is an ONNX graph without weights, a few kilobytes; `lpnet-agent
    measure --space` reads it on any machine.
    """
    from lpnet.cli import show_space
    from lpnet.space import diagram, summary

    opened = open_space(name, shapes=shape, frozen=frozen)
    if save is not None:
        opened.save(save)
        typer.echo(f"wrote {save}", err=True)
    if picture is not None:
        picture.write_text(diagram.svg(opened), encoding="utf-8")
        typer.echo(f"wrote {picture}", err=True)
    if upload:
        with connect(url, token) as client:
            client.upload(opened)
    if as_json:
        print_json(summary.summary(opened))
    else:
        show_space.print_space(opened)
