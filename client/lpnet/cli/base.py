"""What the commands share: the app, options, and how results and errors are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import stamina.instrumentation
import typer
from pydantic import BaseModel
from typer.core import TyperGroup

from lpnet.errors import LpnetError, MissingExtra

if TYPE_CHECKING:
    from lpnet.client import Client
    from lpnet.space.space import Space

Url = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="LPNET_URL", help="Where the service is; http://127.0.0.1:8000 if unset."
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="LPNET_TOKEN",
        help="Token of the service; what is in the file LPNET_TOKEN_FILE if unset.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON only, on standard output.")]
TargetName = Annotated[str, typer.Argument(help="Target, as `lpnet targets` lists it.")]
Batch = Annotated[int | None, typer.Option(min=1, help="Inferences run at once.")]
Resolution = Annotated[
    int | None, typer.Option(min=1, help="Side of the input in pixels; the space's own if unset.")
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**63 - 1, help="Seed: the same seed draws the same.")
]
SpaceName = Annotated[
    str,
    typer.Argument(
        metavar="SPACE",
        help="A network of the zoo (mobilenet_v2, resnet50, ...), or a file that `lpnet space` "
        "or Space.save wrote.",
    ),
]


class _Commands(TyperGroup):
    """Says what went wrong in a line, instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        # Retries are the client's business; their log lines would mix with a command's output.
        stamina.instrumentation.set_on_retry_hooks([])
        try:
            return super().invoke(ctx)
        except (LpnetError, OSError) as error:
            typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
            raise typer.Exit(1) from error
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("lpnet"):
                raise
            missing = MissingExtra("this command", "client", error.name or "?")
            typer.secho(f"error: {missing}", err=True, fg=typer.colors.RED)
            raise typer.Exit(1) from error


def new_app(text: str) -> typer.Typer:
    """An app whose expected errors end in one line and status 1."""
    return typer.Typer(
        cls=_Commands,
        help=text,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )


def connect(url: str | None, token: str | None) -> Client:
    """A client for the service that the options name."""
    from lpnet.client import Client

    return Client(url, token=token)


def print_json(value: BaseModel | Iterable[BaseModel] | dict[str, Any]) -> None:
    """A value as indented JSON on standard output."""
    if isinstance(value, BaseModel):
        plain: Any = value.model_dump(mode="json")
    elif isinstance(value, dict):
        plain = value
    else:
        plain = [item.model_dump(mode="json") for item in value]
    json.dump(plain, sys.stdout, indent=2)
    sys.stdout.write("\n")


def open_space(name: str, *, batch: int | None = None, resolution: int | None = None) -> Space:
    """The space of a file, or of a network of the zoo.

    Raises LpnetError where it is neither.
    """
    path = Path(name)
    if path.is_file():
        from lpnet.space.space import Space

        found = Space.load(path)
    else:
        zoo = import_module("lpnet.zoo")
        if name not in zoo.NAMES:
            raise LpnetError(
                f"{name!r} is neither a file nor a network of the zoo ({', '.join(zoo.NAMES)})"
            )
        found = zoo.space(name)
    if batch is None and resolution is None:
        return found
    return found.at(batch=batch, resolution=resolution)


def read_widths(text: str, space: Space) -> list[dict[str, int]]:
    """Width vectors from an option: `dense`, JSON, or @FILE with JSON in it.

    JSON is an object by name, a list in the space's order, or a list of either.
    """
    if text == "dense":
        return [space.named(space.dense)]
    if text.startswith("@"):
        path = Path(text[1:])
        try:
            text = path.read_text(encoding="utf-8")
        except OSError as error:
            raise LpnetError(f"--widths: {path}: {error.strerror}") from error
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise LpnetError(f"--widths is not JSON: {error}") from error
    several = isinstance(value, list) and value and isinstance(value[0], list | dict)
    vectors = value if several else [value]
    for vector in vectors:
        if not isinstance(vector, list | dict):
            raise LpnetError("--widths: each vector is an object by name, or a list of channels")
    return [space.named(space.vector(vector)) for vector in vectors]
