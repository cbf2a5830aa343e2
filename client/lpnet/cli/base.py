"""What the commands share: the app, options, and how results and errors are printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import stamina.instrumentation
import typer
from pydantic import BaseModel
from typer.core import TyperGroup

from lpnet.errors import FileFormatError, LpnetError, MissingExtra, TooDisturbed
from lpnet.text_file import open_text

if TYPE_CHECKING:
    from lpnet.client import Client
    from lpnet.space.space import Space

Url = Annotated[
    str | None,
    typer.Option(
        "--url", envvar="LPNET_URL", help="URL of the service (default: http://127.0.0.1:8000)."
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="LPNET_TOKEN",
        help="Token for the service (default: the content of the file LPNET_TOKEN_FILE).",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print only JSON, on standard output.")]
TargetName = Annotated[
    str, typer.Argument(help="Name of the target, as `lpnet targets` lists it.")
]
Batch = Annotated[int | None, typer.Option(min=1, help="Batch size (default: that of the space).")]
Resolution = Annotated[
    int | None,
    typer.Option(min=1, help="Height and width of the input, pixels (default: the space's)."),
]
Seed = Annotated[
    int, typer.Option(min=0, max=2**63 - 1, help="Random seed; the same seed draws the same.")
]
KeepGoing = Annotated[
    bool,
    typer.Option("--keep-going", help="Measure on even if most samples are disturbed."),
]

# Exit status if a campaign was stopped because most of its samples are disturbed.
TOO_DISTURBED = 3


class _Commands(TyperGroup):
    """Prints an expected error as one line instead of a traceback."""

    def invoke(self, ctx: Any) -> Any:
        # The client retries by itself; its log lines would mix with the output of a command.
        stamina.instrumentation.set_on_retry_hooks([])
        try:
            result = super().invoke(ctx)
            # So that a reader that went away, such as `head`, is noticed here.
            sys.stdout.flush()
            return result
        except BrokenPipeError:
            raise  # typer ends without a message
        except (LpnetError, OSError) as error:
            typer.secho(f"error: {error}", err=True, fg=typer.colors.RED)
            raise typer.Exit(_exit_status(error)) from error
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("lpnet"):
                raise
            missing = MissingExtra("this command", "client", error.name or "?")
            typer.secho(f"error: {missing}", err=True, fg=typer.colors.RED)
            raise typer.Exit(1) from error


def _exit_status(error: Exception) -> int:
    return TOO_DISTURBED if isinstance(error, TooDisturbed) else 1


def new_app(text: str) -> typer.Typer:
    """Expected errors end in a message and status 1, or 3 for TooDisturbed."""
    return typer.Typer(
        cls=_Commands,
        help=text,
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode="rich",
    )


def connect(url: str | None, token: str | None) -> Client:
    from lpnet.client import Client

    return Client(url, token=token)


def print_json(
    value: BaseModel | Iterable[BaseModel | dict[str, Any]] | dict[str, Any],
) -> None:
    if isinstance(value, BaseModel):
        plain: Any = value.model_dump(mode="json")
    elif isinstance(value, dict):
        plain = value
    else:
        plain = [
            item if isinstance(item, dict) else item.model_dump(mode="json") for item in value
        ]
    json.dump(plain, sys.stdout, indent=2)
    sys.stdout.write("\n")


def read_widths(text: str, space: Space) -> list[dict[str, int]]:
    """Parse an option of width vectors: `dense`, JSON, or @FILE that holds JSON.

    JSON is an object by name, a list in the space's order, or a list of either. A width that an
    object does not name is dense.
    """
    if text == "dense":
        return [space.named(space.dense)]
    if text.startswith("@"):
        try:
            with open_text(Path(text[1:])) as file:
                text = file.read()
        except FileFormatError as error:
            raise FileFormatError(f"--widths: {error}") from error
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
        raise LpnetError(f"--widths is not JSON: {error}") from error
    several = isinstance(value, list) and value and isinstance(value[0], list | dict)
    vectors = value if several else [value]
    for vector in vectors:
        if not isinstance(vector, list | dict):
            raise LpnetError("--widths: a vector is an object by name or a list of channels")
    dense = space.named(space.dense)
    full = [dense | vector if isinstance(vector, dict) else vector for vector in vectors]
    return [space.named(space.vector(vector)) for vector in full]
