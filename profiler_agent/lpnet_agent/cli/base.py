"""What the commands of `lpnet-agent` share: two options, and errors in one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from lpnet.errors import LpnetError, MissingExtra, NotAllowed

# Packages of the extra `agent`, which an installation of the client library lacks.
_EXTRA = {"onnxruntime", "psutil", "cpuinfo", "pydantic_settings"}

# Exit status if the server refuses the token (EX_NOPERM). The systemd unit does not start the
# agent again then, since only a person can help.
NOT_ALLOWED = 77

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Log more.")]


@contextmanager
def one_line_errors(command: str) -> Iterator[None]:
    """End the command with one line, not a traceback, for errors that lpnet raises on purpose."""
    try:
        try:
            yield
        except ModuleNotFoundError as error:
            if error.name not in _EXTRA:
                raise
            raise MissingExtra(f"lpnet-agent {command}", "agent", error.name or "") from error
    except LpnetError as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(NOT_ALLOWED if isinstance(error, NotAllowed) else 1) from error
