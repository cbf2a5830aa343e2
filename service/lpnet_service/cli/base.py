"""What all commands of the service share: their logs, and their errors at the start."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import typer

from lpnet.errors import LpnetError, MissingExtra
from lpnet_service.errors import SetupError
from lpnet_service.observe import logs


def log_to_stderr() -> None:
    with exit_on_error("lpnet-service"):
        logs.log_to_stderr()


@contextmanager
def exit_on_error(command: str) -> Iterator[None]:
    """Exit with 1 and a line that says why a command cannot start."""
    try:
        yield
    except (SetupError, LpnetError) as error:
        typer.echo(f"error: {error}", err=True)
        raise typer.Exit(1) from error
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("lpnet"):
            raise
        typer.echo(str(MissingExtra(command, "", error.name, "lpnet-service")), err=True)
        raise typer.Exit(1) from error
